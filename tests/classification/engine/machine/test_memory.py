"""engine/machine/memory.py: bytes, whatever unit the system counts in."""

import sys
from types import SimpleNamespace

import pytest
import torch

from classification.engine.machine import memory


@pytest.mark.parametrize('platform, expected', [('other', 3072), ('darwin', 3), ('win32', None)])
def test_peak_of_the_process_in_bytes(platform, expected, tmp_path, monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=3))
    monkeypatch.setitem(sys.modules, 'resource', usage)
    monkeypatch.setattr(sys, 'platform', platform)
    monkeypatch.setattr(memory, 'STATUS', tmp_path / 'none')
    assert memory.peak_memory(cuda=False) == expected


def test_peak_is_read_from_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, 'STATUS', tmp_path / 'status')
    memory.STATUS.write_text('VmPeak:\t    9 kB\nVmHWM:\t    5 kB\nVmRSS:\t    4 kB\n')
    assert memory.peak_memory(cuda=False) == 5120


def test_peak_of_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda: 350)
    assert memory.peak_memory(cuda=True) == 350
