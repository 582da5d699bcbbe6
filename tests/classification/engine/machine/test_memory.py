"""engine/machine/memory.py: bytes, whatever unit the system counts in."""

import sys
from types import SimpleNamespace

import pytest
import torch

from classification.engine.machine.memory import peak_memory


@pytest.mark.parametrize('platform, expected', [('linux', 3072), ('darwin', 3), ('win32', None)])
def test_peak_of_the_process_in_bytes(platform, expected, monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=3))
    monkeypatch.setitem(sys.modules, 'resource', usage)
    monkeypatch.setattr(sys, 'platform', platform)
    assert peak_memory(cuda=False) == expected


def test_peak_of_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda: 350)
    assert peak_memory(cuda=True) == 350
