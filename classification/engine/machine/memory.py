"""The memory of this process."""

import sys

import torch


def peak_memory(cuda: bool) -> int | None:
    """Bytes at the peak: of tensors on the GPU, else of the whole process; None on Windows."""
    if cuda:
        return torch.cuda.max_memory_allocated()
    if sys.platform == 'win32':
        return None
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB, on macOS in bytes
    return peak if sys.platform == 'darwin' else 1024 * peak
