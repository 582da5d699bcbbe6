"""The memory of this process."""

import re
import sys
from pathlib import Path

import torch

STATUS = Path('/proc/self/status')


def peak_memory(cuda: bool) -> int | None:
    """Bytes at the peak: of tensors on the GPU, else of the whole process; None on Windows."""
    if cuda:
        return torch.cuda.max_memory_allocated()
    if STATUS.exists():
        # Not getrusage: on Linux its peak is at least that of the program that started this one.
        found = re.search(r'VmHWM:\s+(\d+) kB', STATUS.read_text())
        if found:
            return 1024 * int(found[1])
    if sys.platform == 'win32':
        return None
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB, on macOS in bytes
    return peak if sys.platform == 'darwin' else 1024 * peak
