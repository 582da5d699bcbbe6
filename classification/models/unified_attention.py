"""The unified operator of the empirical study as a layer, its inputs and gates made from an image.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024); the
gates and their initial values: Gu and Dao, "Mamba" (2023).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .design import Design
from .ops.layout import DIRECTIONS, conv_nhwc, to_image, to_sequence
from .ops.rotary import RotaryTable, rotate
from .ops.scan import init_delta, inverse_softplus
from .ops.unified import ForgetGate, neighbourhood, unified_attention


class UnifiedAttention(nn.Module):
    """Linear attention over an image with the study's switches.

    q, k = ELU(x W) + 1 in every row, v = x W (or x itself).

    Args:
        dim: channels of x, v and the result.
        num_heads: must divide dim.
        key_dim: channels of a head's queries and keys.
        rank: inner width of the gates' projection.
        design: switches; `block` and the positions other than LePE are the block's business.
        project_value: v = x W rather than x.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        key_dim: int,
        rank: int,
        design: Design,
        project_value: bool,
    ) -> None:
        super().__init__()
        self.design = design
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.qk = nn.Linear(dim, 2 * num_heads * key_dim)
        self.value = nn.Linear(dim, dim) if project_value else nn.Identity()
        if design.input_gate or design.forget_gate:
            # One Δ serves both gates, as in Mamba.
            self.delta_down = nn.Linear(dim, rank, bias=False)
            self.delta_up = nn.Linear(rank, dim, bias=False)
            self.delta_bias = nn.Parameter(_initial_delta_bias(dim, design.forget_gate))
        if design.forget_gate:
            rate = torch.arange(1, key_dim + 1).log()[:, None]
            self.A_log = nn.Parameter(rate.repeat(num_heads, 1, dim // num_heads))
        if design.shortcut:
            self.D = nn.Parameter(torch.ones(dim))
        if 'lepe' in design.pos:
            self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor, table: RotaryTable | None = None) -> Tensor:
        """(B, H, W, dim) to the same; table: from `rotary_table` where positions are rotary."""
        q, k = self.qk(x).chunk(2, dim=-1)
        v = self.value(x)
        # Half precision cannot hold features near 0, decays near 1 or sums over many tokens.
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            y = self._attend(*(t.to(dtype) for t in (x, q, k, v)), table=table).to(x.dtype)
        return y + conv_nhwc(self.lepe, v) if 'lepe' in self.design.pos else y

    def attention_map(
        self, x: Tensor, query: Sequence[int], table: RotaryTable | None = None
    ) -> Tensor:
        """The weight of each token's value in what one token reads, for any design.

        The result is linear in the values: their weights are its gradient.

        Args:
            x: (1, H, W, dim), what `forward` gets.
            query: (row, column) of the token that reads.
            table: as in `forward`.

        Returns:
            (H, W), the mean over channels; without the shortcut, which reads x and not a value.
        """
        with torch.enable_grad():
            values = torch.zeros_like(x).requires_grad_()
            q, k = self.qk(x).chunk(2, dim=-1)
            y = self._attend(x, q, k, values, table=table)
            if 'lepe' in self.design.pos:
                y = y + conv_nhwc(self.lepe, values)
            (weights,) = torch.autograd.grad(y[0, query[0], query[1]].sum(), values)
        return weights[0].mean(dim=-1)

    @torch.no_grad()
    def decay_map(
        self, x: Tensor, query: Sequence[int], scan: Sequence[str] | None = None
    ) -> Tensor:
        """What the forget gate leaves of each token's memory where one token reads.

        Args:
            x: (1, H, W, dim), what `forward` gets.
            query: (row, column) of the token that reads.
            scan: orders of the tokens, of DIRECTIONS; by default the design's.

        Returns:
            (H, W): the product of Ã from the token to the query, the mean over the numbers of the
            state and over the orders of the scan; 0 at tokens that come later.
        """
        height, width = x.shape[1:3]
        rate = self.A_log.exp()
        marker = torch.zeros(1, height, width, 1, device=x.device)
        marker[0, query[0], query[1]] = 1
        maps = []
        for order in scan or self.design.scan:
            at = to_sequence(marker, order).argmax()
            steps = self._heads(self.delta(x), order)[0].cumsum(dim=1)  # (heads, N, e)
            since = steps[:, at, None] - steps
            left = torch.exp(-since[:, :, None] * rate[:, None]).mean(dim=(0, 2, 3))
            left[at + 1 :] = 0
            maps.append(to_image(left[None, :, None], order, height, width)[0, ..., 0])
        return sum(maps) / len(maps)  # type: ignore[return-value]  # there is an order

    def _attend(
        self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, *, table: RotaryTable | None
    ) -> Tensor:
        q, k = F.elu(q) + 1, F.elu(k) + 1
        height, width = x.shape[1:3]
        if not (self.design.normalise or self.design.forget_gate):
            # Nothing else bounds S, a sum over all tokens. The released code's attention divides
            # by the same constant; there the normalisation cancels it.
            k = k / (height * width)
        inputs = dict(q=q, k=k, v=v, x=x)
        if self.design.input_gate or self.design.forget_gate:
            inputs['delta'] = self.delta(x)
        if table is not None:
            inputs |= dict(q_rotated=rotate(q, table), k_rotated=rotate(k, table))
        reach = self.design.reach
        near = None if reach is None else neighbourhood(height, width, reach, like=q)
        ways = [
            to_image(
                self._scan(
                    **{name: self._heads(t, direction) for name, t in inputs.items()}, near=near
                ),
                direction,
                height,
                width,
            )
            for direction in self.design.scan or DIRECTIONS[:1]
        ]
        return sum(ways) / len(ways)  # type: ignore[return-value]  # there is a way

    def _scan(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        x: Tensor,
        delta: Tensor | None = None,
        q_rotated: Tensor | None = None,
        k_rotated: Tensor | None = None,
        near: Tensor | None = None,
    ) -> Tensor:
        """Tokens in order (B, heads, N, channels) -> what they read (B, N, dim)."""
        design = self.design
        gate = None
        if design.forget_gate:  # which has a delta
            gate = ForgetGate(delta, self.A_log.to(q.dtype).exp())  # type: ignore[arg-type]
        y = unified_attention(
            q,
            k,
            v,
            delta=delta if design.input_gate else None,
            a=gate,
            D=self.D.to(q.dtype).view(self.num_heads, 1, -1) if design.shortcut else None,
            x=x,
            normalise=design.normalise,
            causal=bool(design.scan),
            rotated=None if q_rotated is None or k_rotated is None else (q_rotated, k_rotated),
            near=near,
        )
        return y.transpose(1, 2).flatten(2)

    def delta(self, x: Tensor) -> Tensor:
        """Δ, the step size of both gates, for the layer's input x: (B, H, W, dim) to the same."""
        weights = (self.delta_down.weight, self.delta_up.weight, self.delta_bias)
        down, up, bias = (weight.to(x.dtype) for weight in weights)
        return F.softplus(F.linear(F.linear(x, down), up, bias))

    def _heads(self, x: Tensor, direction: str) -> Tensor:
        """(B, H, W, C) -> (B, heads, N, C / heads)."""
        return to_sequence(x, direction).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def _initial_delta_bias(dim: int, forget_gate: bool) -> Tensor:
    """Inverse softplus of the initial Δ: Mamba's with the forget gate, else the baseline's 1."""
    return inverse_softplus(init_delta(dim) if forget_gate else torch.ones(dim))
