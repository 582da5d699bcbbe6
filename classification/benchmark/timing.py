"""Time and memory of computations, measured fairly: in turns, synchronised, warmed up."""

import ctypes
import gc
import re
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

Step = Callable[[], Any]
Name = TypeVar('Name', bound=Hashable)


def time_in_turns(
    steps: Mapping[Name, Step],
    rounds: int,
    warmup: int = 1,
    device: torch.device | str = 'cpu',
    on_round: Callable[[int], Any] | None = None,
) -> dict[Name, list[float]]:
    """Time steps in turns, so that a machine that slows down or is disturbed hits all alike.

    Every other round goes through the steps backwards, so that none always follows the same one.

    Args:
        steps: {name: callable without arguments}.
        rounds: timed calls of each step.
        warmup: rounds before, which are not timed.
        device: where the steps compute; CUDA is waited for before and after each.
        on_round: called with the number of rounds done, warm-up included, after each of them.

    Returns:
        {name: [seconds of each round]}.
    """
    times: dict[Name, list[float]] = {name: [] for name in steps}
    for turn in range(warmup + rounds):
        for name in reversed(list(steps)) if turn % 2 else steps:
            seconds = _seconds(steps[name], device)
            if turn >= warmup:
                times[name].append(seconds)
        if on_round:
            on_round(turn + 1)
    return times


def _seconds(step: Step, device: torch.device | str) -> float:
    _wait_for(device)
    start = time.perf_counter()
    step()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device | str) -> None:
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def peak_memory(step: Step, device: torch.device | str = 'cpu') -> int | None:
    """Bytes that a step holds at its peak beyond those held before it; weights are not among them.

    On CUDA the tensors are counted. On a CPU it is the resident memory of the process, which only
    Linux tells: None elsewhere.
    """
    gc.collect()
    if torch.device(device).type == 'cuda':
        _wait_for(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        _wait_for(device)
        return torch.cuda.max_memory_allocated(device) - before
    process = Path('/proc/self')
    try:
        # Memory that was freed but is still held would hide what the step takes.
        ctypes.CDLL(None).malloc_trim(0)
        (process / 'clear_refs').write_text('5')  # the peak is the present from here on
        before = _resident_peak(process)
    except (OSError, AttributeError, TypeError):  # not Linux, not permitted, or no VmHWM
        return None
    step()
    return _resident_peak(process) - before


def _resident_peak(process: Path) -> int:
    found = re.search(r'VmHWM:\s*(\d+) kB', (process / 'status').read_text())
    return 1024 * int(cast(re.Match, found)[1])
