"""The linear recurrence h_i = a_i h_{i-1} + b_i in a graph that other runtimes execute.

There it is made of PyTorch's own operators and holds for sequences of any length. torch.export has
an operator for it, a loop over the tokens, which is Scan in ONNX. torch.jit.trace has none: it
takes blocks of tokens, within all of which at the same time each token joins the 1, 2, 4, ...
before it (Hillis and Steele, "Data parallel algorithms", 1986); the ends of the blocks are a
shorter sequence of the same kind.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 32
LEVELS = 5  # of blocks of blocks: 32^5 tokens, more than any memory holds


def recurrence_in_graph(a: Tensor, b: Tensor, initial: Tensor) -> Tensor:
    """h_i = a_i h_{i-1} + b_i for i = 1 ... n, while torch.export or torch.jit.trace run.

    Args:
        a, b: (m, n, inner).
        initial: h_0 (m, inner).

    Returns:
        h (m, n, inner).
    """
    if torch.jit.is_tracing():
        return recurrence_by_doubling(a, b, initial)
    # The prototype of torch.scan, which has no public name yet.
    from torch._higher_order_ops.scan import scan

    tokens = (a.transpose(0, 1).contiguous(), b.transpose(0, 1).contiguous())
    _, h = scan(_step, initial, tokens, dim=0)
    return h.transpose(0, 1)


def _step(h: Tensor, token: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The state after a token, to be carried on and to be kept: two tensors, as scan demands."""
    a, b = token
    h = a * h + b
    return h, h.clone()


def recurrence_by_doubling(a: Tensor, b: Tensor, initial: Tensor, levels: int = LEVELS) -> Tensor:
    """The same with a fixed number of sums and products of long tensors.

    Args:
        a, b, initial: as for `recurrence_in_graph`, n at most BLOCK^levels.
        levels: of blocks.

    Returns:
        h (m, n, inner).
    """
    if levels == 0:  # one block was left, whose end nobody reads
        return b
    m, n, inner = b.shape
    blocks = (n + BLOCK - 1) // BLOCK
    a, b = (
        F.pad(t, (0, 0, 0, blocks * BLOCK - n)).reshape(m, blocks, BLOCK, inner) for t in (a, b)
    )
    distance = 1
    while distance < BLOCK:
        before, after = slice(None, -distance), slice(distance, None)
        joined_b = b[:, :, after] + a[:, :, after] * b[:, :, before]
        joined_a = a[:, :, after] * a[:, :, before]
        b = torch.cat((b[:, :, :distance], joined_b), dim=2)
        a = torch.cat((a[:, :, :distance], joined_a), dim=2)
        distance *= 2
    ends = recurrence_by_doubling(a[:, :, -1], b[:, :, -1], initial, levels - 1)
    starts = torch.cat((initial[:, None], ends[:, :-1]), dim=1)
    return (b + a * starts[:, :, None]).flatten(1, 2)[:, :n]
