"""Mamba and linear attention in one formula: the operator, as written and in four fast forms.

    S_i = Ã_i ⊙ S_{i-1} + K_iᵀ (Δ_i ⊙ V_i)        S_i: d x e, the memory
    Z_i = Z_{i-1} + K_iᵀ                          Z_i: d x 1, the normaliser
    y_i = Q_i S_i / (Q_i Z_i) + D ⊙ x_i

Z is neither gated by Ã nor weighted by Δ, as printed. Gating Z too would need a second scan and
would count 5.2 GFLOPs in the forget gate's row; the paper prints 4.8.

Without Ã, Δ and D this is causal linear attention; the usual, non-causal kind reads the last S and
Z at every i. With them, without the division and with one head it is Mamba's selective state-space
model h_i = Ã_i ⊙ h_{i-1} + B_i (Δ_i ⊙ x_i), y_i = C_i h_i + D ⊙ x_i, where B = Kᵀ, C = Q, x = V.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024).

Shapes everywhere: q, k (B, heads, N, d); v, x and the result (B, heads, N, e). `rotated` is a pair
(q, k) turned by position (RoPE): the memory is written and read with these, and normalised with the
unturned ones, which are positive.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .devices import exporting
from .linear_attention import EPS
from .scan import BLOCK, linear_recurrence

CHUNK = 64  # tokens between two states that `causal_by_chunks` computes
# Numbers in the states that `gated` holds at one time: few enough for a CPU's cache; on other
# devices a quarter of a GB, so that kernels are launched rarely.
GATED_NUMBERS = {'cpu': 2**20}
GATED_NUMBERS_ELSEWHERE = 2**26


class ForgetGate(NamedTuple):
    """Mamba's forget gate Ã_i = exp(-step_i ⊙ rate), kept as its factors.

    step: (B, heads, N, e), Mamba's Δ; rate: (heads, d, e), Mamba's -A. Both are positive. The gate
    itself is d times as large as `step`, so that it is computed for some tokens at a time.
    """

    step: Tensor
    rate: Tensor

    def value(self) -> Tensor:
        """Ã (B, heads, N, d, e)."""
        return torch.exp(-self.step[..., None, :] * self.rate[:, None])

    def split(self, size: int, dim: int) -> list['ForgetGate']:
        """As Tensor.split, over the tokens."""
        return [ForgetGate(step, self.rate) for step in self.step.split(size, dim)]


def naive_unified_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    delta: Tensor | None = None,
    a: ForgetGate | Tensor | None = None,
    D: Tensor | None = None,
    x: Tensor | None = None,
    normalise: bool = True,
    rotated: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The reference of `unified_attention(..., causal=True)`: the formula, token by token."""
    delta = torch.ones_like(v) if delta is None else delta.expand_as(v)
    a = torch.ones_like(v[..., None, :]) if a is None else a
    a = a.value() if isinstance(a, ForgetGate) else a.expand(*v.shape[:3], *a.shape[-2:])
    q_memory, k_memory = rotated or (q, k)
    S: Tensor | int = 0
    Z: Tensor | int = 0
    tokens = []
    for i in range(v.shape[2]):
        S = a[:, :, i] * S + _column(k_memory[:, :, i]) @ _row(delta[:, :, i] * v[:, :, i])
        Z = Z + _column(k[:, :, i])
        y_i = _row(q_memory[:, :, i]) @ S
        if normalise:
            y_i = y_i / (_row(q[:, :, i]) @ Z + EPS * (i + 1))
        tokens.append(y_i)
    y = torch.cat(tokens, dim=2)
    return y if D is None else y + D * (v if x is None else x)


def _row(vector: Tensor) -> Tensor:
    return vector[..., None, :]


def _column(vector: Tensor) -> Tensor:
    return vector[..., :, None]


def unified_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    delta: Tensor | None = None,
    a: ForgetGate | Tensor | None = None,
    D: Tensor | None = None,
    x: Tensor | None = None,
    normalise: bool = True,
    causal: bool = False,
    rotated: tuple[Tensor, Tensor] | None = None,
    near: Tensor | None = None,
) -> Tensor:
    """The formula by its fast forms.

    Args:
        q, k: (B, heads, N, d), positive where `normalise` divides by their product.
        v: (B, heads, N, e).
        delta: input gate Δ, broadcasts to v.
        a: forget gate Ã: a ForgetGate, or a tensor that broadcasts to (B, heads, N, d, e).
        D: weight of the shortcut, broadcasts to v.
        x: what the shortcut adds; v where not given.
        normalise: divide by Q_i Z_i.
        causal: token i reads the tokens 1 ... i; otherwise all of them.
        rotated: (q, k) with positions, see above.
        near: from `neighbourhood`: token i reads those near it instead.

    Returns:
        (B, heads, N, e).

    Raises:
        ValueError: a forget gate without an order of tokens.
    """
    assert not causal or near is None, 'Design refuses both.'
    if a is not None and not causal:
        raise ValueError(
            'A forget gate decays from token to token: it combines with the causal form only, '
            'and the non-causal form with every other switch.'
        )
    q_memory, k_memory = rotated or (q, k)
    u = v if delta is None else delta * v
    if a is not None:
        y = gated(q_memory, k_memory, u, a)
    elif causal:
        y = causal_by_chunks(q_memory, k_memory, u)
    elif near is not None:
        y = local(q_memory, k_memory, u, near)
    else:
        y = parallel(q_memory, k_memory, u)
    if normalise:
        y = y / normaliser(q, k, causal, near)
    return y if D is None else y + D * (v if x is None else x)


def parallel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Q_i S_N for all i: every token reads every token; (B, heads, N, e)."""
    return q @ (k.transpose(-2, -1) @ v)


def neighbourhood(height: int, width: int, reach: int, like: Tensor) -> Tensor:
    """Which tokens of an image are at most `reach` rows and columns apart.

    Returns:
        (N, N) in the type of `like`: 1 where token i reads token j, else 0.
    """
    rows, columns = (
        (torch.arange(side)[:, None] - torch.arange(side)).abs() <= reach
        for side in (height, width)
    )
    near = rows[:, None, :, None] & columns[None, :, None, :]
    return near.flatten(2).flatten(0, 1).to(like)


def local(q: Tensor, k: Tensor, v: Tensor, near: Tensor) -> Tensor:
    """Q_i S_i for all i, where S_i sums over the neighbourhood of i: (B, heads, N, e).

    By the weights of all pairs of tokens, so for images of a few hundred tokens.
    """
    return (q @ k.transpose(-2, -1) * near) @ v


def causal_by_chunks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Q_i S_i for all i without a forget gate: (B, heads, N, e).

    S at the start of each chunk comes from a cumulative sum; inside a chunk the weights between
    its tokens are computed as in attention.
    """
    tokens = q.shape[2]
    size = min(CHUNK, tokens)
    chunks = (tokens + size - 1) // size
    if exporting():  # numbers that hold for any number of tokens, with no case apart for 1 chunk
        size, chunks = CHUNK, tokens // CHUNK + 2
    q, k, v = (
        F.pad(t, (0, 0, 0, chunks * size - tokens)).unflatten(2, (chunks, size)) for t in (q, k, v)
    )  # (B, heads, chunks, size, d or e)
    S = (k.transpose(-2, -1) @ v).cumsum(dim=2)
    S = F.pad(S[:, :, :-1], (0, 0, 0, 0, 1, 0))
    y = q @ S + (q @ k.transpose(-2, -1)).tril() @ v
    return y.flatten(2, 3)[:, :, :tokens].contiguous()


def gated(q: Tensor, k: Tensor, v: Tensor, a: ForgetGate | Tensor) -> Tensor:
    """Q_i S_i for all i with a forget gate, in linear time: (B, heads, N, e).

    The backward pass computes the states again chunk by chunk: only the arguments and one state
    per chunk are kept, not d x e numbers per token.
    """
    if isinstance(a, Tensor):
        a = a.expand(*v.shape[:3], *a.shape[-2:])
    S = v.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
    if exporting():  # a loop over chunks would fix their number
        return _gated_chunk(q, k, v, a, S)[0]
    y = []
    numbers = GATED_NUMBERS.get(v.device.type, GATED_NUMBERS_ELSEWHERE)
    size = max(numbers // max(S.numel(), 1), BLOCK)
    for chunk in zip(*(t.split(size, dim=2) for t in (q, k, v, a)), strict=True):
        y_chunk, S = checkpoint(
            _gated_chunk, *chunk, S, use_reentrant=False, preserve_rng_state=False
        )
        y.append(y_chunk)
    return torch.cat(y, dim=2)


def _gated_chunk(
    q: Tensor, k: Tensor, v: Tensor, a: ForgetGate | Tensor, S: Tensor
) -> tuple[Tensor, Tensor]:
    """Some tokens, and the state before them -> what they read, and the state after them."""
    a = a.value() if isinstance(a, ForgetGate) else a
    S = linear_recurrence(a, _column(k) * _row(v), dim=2, initial=S)
    # In a graph the reshapes around a matrix product would forbid batches of one image.
    y = (_column(q) * S).sum(-2) if exporting() else (_row(q) @ S).squeeze(-2)
    # A view of the last state would keep all of them alive.
    return y, S[:, :, -1].clone()


def normaliser(q: Tensor, k: Tensor, causal: bool, near: Tensor | None = None) -> Tensor:
    """Q_i Z_i, or Q_i Z_N for all i, kept away from 0: (B, heads, N, 1)."""
    tokens = q.shape[2]
    if near is not None:
        count = near.sum(-1, keepdim=True)
        return (q * (near @ k)).sum(dim=-1, keepdim=True) + EPS * count
    if causal:
        Z = k.cumsum(dim=2)
        count = torch.arange(1, tokens + 1, device=q.device, dtype=q.dtype)[:, None]
        return (q * Z).sum(dim=-1, keepdim=True) + EPS * count
    return q @ _column(k.sum(dim=2)) + EPS * tokens
