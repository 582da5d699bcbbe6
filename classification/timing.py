"""Time and memory of computations, measured fairly: by turns, synchronised, warmed up."""

import ctypes
import gc
import re
import time
from pathlib import Path

import torch


def interleaved(steps, rounds, warmup=1, device='cpu', on_round=None):
    """Time steps by turns, so that a machine that slows down or is disturbed hits all alike.

    Every other round goes through the steps backwards: none always follows the same one.

    Args:
        steps: {name: callable without arguments}.
        rounds: timed calls of each step.
        warmup: rounds before, which are not timed.
        device: where the steps compute; CUDA is waited for before and after each.
        on_round: called with the number of rounds done, warm-up included, after each of them.

    Returns:
        {name: [seconds of each round]}.
    """
    times = {name: [] for name in steps}
    for turn in range(warmup + rounds):
        for name in reversed(steps) if turn % 2 else steps:
            seconds = _seconds(steps[name], device)
            if turn >= warmup:
                times[name].append(seconds)
        if on_round:
            on_round(turn + 1)
    return times


def _seconds(step, device):
    _wait_for(device)
    start = time.perf_counter()
    step()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device):
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def peak_memory(step, device='cpu'):
    """Bytes that a step holds at its peak beyond those held before it; weights are not among them.

    On CUDA they are the tensors'; on a CPU the resident memory of the process, which Linux alone
    can tell: None elsewhere.
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
    except (OSError, AttributeError):  # not Linux, or not permitted
        return None
    step()
    return _resident_peak(process) - before


def _resident_peak(process):
    return 1024 * int(re.search(r'VmHWM:\s*(\d+) kB', (process / 'status').read_text())[1])
