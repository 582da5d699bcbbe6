"""Timing by turns, on a clock that the steps themselves move; memory of known tensors."""

import pytest
import torch

from classification.benchmark import timing

MEGABYTE = 2**20


@pytest.fixture
def clock(monkeypatch):
    """What happened, in order; a step called 'n' takes n seconds more in each later round."""
    events, now = [], [0.0]
    monkeypatch.setattr(timing.time, 'perf_counter', lambda: now[0])
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda device: events.append('wait'))

    def step(name):
        def call():
            events.append(name)
            now[0] += int(name) * events.count(name)

        return call

    return events, step


def test_by_turns_without_the_warm_up(clock):
    events, step = clock
    rounds = []
    steps = {name: step(name) for name in '135'}
    times = timing.time_in_turns(steps, rounds=3, warmup=2, on_round=rounds.append)
    assert ''.join(events) == '135531135531135'
    assert times == {name: [int(name) * i for i in (3, 4, 5)] for name in '135'}
    assert rounds == [1, 2, 3, 4, 5]


def test_cuda_is_waited_for(clock):
    """Before a step, which would else wait for another's kernels, and after it."""
    events, step = clock
    timing.time_in_turns({name: step(name) for name in '12'}, rounds=1, warmup=0, device='cuda:0')
    assert events == ['wait', '1', 'wait', 'wait', '2', 'wait']


def test_peak_memory():
    """Of this step, whatever was held before, and also after a step that took more."""
    held = torch.ones(16 * MEGABYTE)
    for megabytes in (128, 32):
        peak = timing.peak_memory(lambda size=megabytes: torch.ones(size * MEGABYTE // 4).sum())
        assert peak == pytest.approx(megabytes * MEGABYTE, abs=8 * MEGABYTE)
    assert held.sum() == 16 * MEGABYTE


def test_peak_memory_of_cuda_is_that_of_its_tensors(clock, monkeypatch):
    events, step = clock
    monkeypatch.setattr(torch.cuda, 'reset_peak_memory_stats', lambda d: events.append('reset'))
    monkeypatch.setattr(torch.cuda, 'memory_allocated', lambda device: 100)
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda device: 350)
    assert timing.peak_memory(step('1'), 'cuda:0') == 250
    assert events == ['wait', 'reset', '1', 'wait']


def test_peak_memory_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, 'Path', lambda _: tmp_path / 'absent')
    assert timing.peak_memory(lambda: None) is None
