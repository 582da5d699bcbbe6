"""Time the selective scan beside the loop over tokens that is Mamba's reference, on one device.

The sizes are those of Vim-Ti's mixer: two sequences with 384 channels of 16 states. The loop first
makes the decays and inputs of all states of all tokens, as Mamba's `selective_scan_ref` does.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..models.ops.selective_scan import naive_selective_scan, selective_scan
from ..visualization.tables import markdown
from .timing import peak_memory, time_in_turns

GROUPS, CHANNELS, STATES = 2, 384, 16
SCANS: dict[str, Callable[..., Tensor]] = dict(scan=selective_scan, loop=naive_selective_scan)
RUNS = ('inference', 'training')


def run_scans(
    tokens: Sequence[int], device: str | torch.device = 'cpu', rounds: int = 5
) -> list[dict[str, Any]]:
    """Measure both for each length.

    Args:
        tokens: lengths of the sequences.
        device: where.
        rounds: timed calls of each, after one that is not timed.

    Returns:
        [dict(tokens, run, scan={seconds, memory}, loop=the same)], seconds the median of the
        calls, memory in bytes, None where it is not known.
    """
    rows = []
    for n in tokens:
        for run in RUNS:
            steps = {name: _step(scan, n, run, device) for name, scan in SCANS.items()}
            memory = {name: peak_memory(step, device) for name, step in steps.items()}
            times = time_in_turns(steps, rounds, device=device)
            found = {
                name: dict(seconds=float(torch.tensor(times[name]).median()), memory=memory[name])
                for name in SCANS
            }
            rows.append(dict(tokens=n, run=run, **found))
    return rows


def _step(
    scan: Callable[..., Tensor], tokens: int, run: str, device: str | torch.device
) -> Callable[[], Any]:
    """A call of the scan on random inputs, with the gradients of all of them in training."""
    generator = torch.Generator(device).manual_seed(0)
    new = partial(torch.randn, generator=generator, device=device)
    x, delta = new(2, 1, GROUPS, tokens, CHANNELS)
    A, D = -new(GROUPS, CHANNELS, STATES).exp(), new(GROUPS, CHANNELS)
    B, C = new(2, 1, GROUPS, tokens, STATES)
    inputs = (x, delta, A, B, C, D)

    def infer() -> None:
        with torch.no_grad():
            scan(*inputs)

    def train() -> None:
        leaves = [t.requires_grad_() for t in inputs]
        torch.autograd.grad(scan(*leaves).sum(), leaves)

    return train if run == 'training' else infer


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of `run_scans` as Markdown."""
    lines = []
    for row in rows:
        scan, loop = row['scan'], row['loop']
        seconds = [f'{1000 * cell["seconds"]:.1f}' for cell in (scan, loop)]
        memory = [_mebibytes(cell['memory']) for cell in (scan, loop)]
        times = f'{loop["seconds"] / scan["seconds"]:.1f}'
        lines.append([str(row['tokens']), row['run'], *seconds, times, *memory])
    titles = ('tokens', 'run', 'scan ms', 'loop ms', 'times faster', 'scan MiB', 'loop MiB')
    return markdown(titles, lines)


def _mebibytes(memory: int | None) -> str:
    return '-' if memory is None else f'{memory / 2**20:.0f}'
