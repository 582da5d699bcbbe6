"""VMamba: a hierarchical backbone whose token mixer scans the image in four orders.

Source: Liu et al., "VMamba: Visual State Space Model" (NeurIPS 2024); the selective scan: Gu and
Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023). Parameter names and
shapes are those of the released checkpoints; features are laid out as (B, H, W, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.devices import exporting, is_plain
from ..models.ops.image_scan import ORDERS, image_scan
from ..models.ops.layout import conv_nhwc, to_image, to_sequence
from ..models.ops.scan import init_delta, inverse_softplus
from ..models.ops.selective_scan import selective_scan
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .vmamba_released import rename_keys_

VMAMBA_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=96, depths=(2, 2, 8, 2), ssm_ratio=1.0),
    'tiny_s2l5': dict(embed_dim=96, depths=(2, 2, 5, 2), ssm_ratio=2.0),
    'small': dict(embed_dim=96, depths=(2, 2, 15, 2), ssm_ratio=2.0),
    'base': dict(embed_dim=128, depths=(2, 2, 15, 2), ssm_ratio=2.0),
}


class LinearPerOrder(nn.Linear):
    """A linear layer for each order, their weights stacked: (orders x out, in)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, len(ORDERS) * out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, orders, N, in) -> (B, orders, N, out)."""
        return x @ self.weight.unflatten(0, (len(ORDERS), -1)).transpose(1, 2)


@register_notrace_module  # what computes it depends on the device
class SelectiveScan2d(nn.Module):
    """A selective scan of the image in each order, and their sum; (B, H, W, dim) to the same.

    u = SiLU(DWConv(W_in x));  out = W_out norm(sum of the orders' y);  for each order
    (r, B, C) = W_x u,  delta = W_dt r + b,  y = selective_scan(u, delta, A, B, C, D).

    Args:
        dim: channels; the rank of W_dt is a sixteenth of them.
        ssm_ratio: channels of the scan over dim.
    """

    def __init__(self, dim: int, ssm_ratio: float) -> None:
        super().__init__()
        inner = int(dim * ssm_ratio)
        self.rank = math.ceil(dim / 16)
        self.in_proj = nn.Linear(dim, inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.x_proj = nn.Linear(inner, len(ORDERS) * (self.rank + 2), bias=False)
        self.dt_projs = LinearPerOrder(self.rank, inner)
        self.dt_projs_bias = nn.Parameter(torch.empty(len(ORDERS), inner))
        self.A_logs = nn.Parameter(torch.empty(len(ORDERS) * inner, 1))
        self.Ds = nn.Parameter(torch.empty(len(ORDERS) * inner))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)
        self.reset_scan()

    def reset_scan(self) -> None:
        """Mamba's initial values: A = -1, D = 1, steps Δ spread over .001 to .1 (log-uniform)."""
        self.x_proj.reset_parameters()
        nn.init.uniform_(self.dt_projs.weight, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():
            self.dt_projs_bias.copy_(inverse_softplus(init_delta(self.dt_projs_bias.shape)))
        nn.init.zeros_(self.A_logs)
        nn.init.ones_(self.Ds)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        x, params = self._values_and_params(x)
        in_chunks = (
            x.device.type == 'cpu'
            and is_plain(self.dt_projs, kinds=(LinearPerOrder,))
            and not exporting()
        )
        y = (self._scan_image if in_chunks else self._scan_sequences)(x, params)
        return self.out_proj(self.out_norm(y.to(x.dtype)))

    def attention_map(self, x: Tensor, query: Sequence[int]) -> Tensor:
        """The weight of each token's u in what one token reads, the sum over the orders.

        With the steps and gates that u has made, the scans are linear in it: the weights of its
        tokens are the gradient of the result.

        Args:
            x: (1, H, W, dim), what `forward` gets.
            query: (row, column) of the token that reads.

        Returns:
            (H, W), the mean over channels; without the shortcut D.
        """
        with torch.no_grad():
            x, params = self._values_and_params(x)
        with torch.enable_grad():
            x.requires_grad_()
            y = self._scan_sequences(x, params)
            (weights,) = torch.autograd.grad(y[0, query[0], query[1]].sum(), x)
        weights[0, query[0], query[1]] -= self.Ds.view_as(self.dt_projs_bias).sum(dim=0)
        return weights[0].mean(dim=-1)

    def _values_and_params(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """u (B, H, W, channels), and r, B and C of each order (B, H, W, orders, rank + 2)."""
        x = F.silu(conv_nhwc(self.conv2d, self.in_proj(x)))
        return x, self.x_proj(x).unflatten(-1, (len(ORDERS), -1))

    def _scan_image(self, x: Tensor, params: Tensor) -> Tensor:
        """The sum of the orders' y by chunks that stay in the cache."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.dt_projs.weight.unflatten(0, (len(ORDERS), -1))
            tensors = (x, params, weight, self.dt_projs_bias)
            x, params, weight, bias = (t.to(self._wide(x)) for t in tensors)
            return image_scan(x, params, weight, bias, *self._rates_and_shortcuts(x.dtype))

    def _scan_sequences(self, x: Tensor, params: Tensor) -> Tensor:
        """The same with a sequence per order, all scanned at the same time."""
        height, width = x.shape[1:3]
        ways = zip(params.unbind(-2), ORDERS, strict=True)
        params = torch.stack([to_sequence(*p) for p in ways], dim=1)
        x = torch.stack([to_sequence(x, order) for order in ORDERS], dim=1)
        r, B, C = params.split((self.rank, 1, 1), dim=-1)  # (B, orders, N, rank or 1)
        delta = self.dt_projs(r)
        A, D = self._rates_and_shortcuts(self._wide(x))
        bias = self.dt_projs_bias
        ys = selective_scan(x, delta, A[..., None], B, C, D, bias).unbind(1)
        y: Any = sum(to_image(*p, height, width) for p in zip(ys, ORDERS, strict=True))
        return y

    @staticmethod
    def _wide(x: Tensor) -> torch.dtype:
        """The scan's type: half precision would lose a long memory."""
        return torch.promote_types(x.dtype, torch.float32)

    def _rates_and_shortcuts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A and D, (orders, channels)."""
        A = -self.A_logs.to(dtype).exp().view_as(self.dt_projs_bias)
        return A, self.Ds.to(dtype).view_as(self.dt_projs_bias)


class Block(nn.Module):
    """x = x + scan(norm(x));  x = x + MLP(norm(x))."""

    def __init__(
        self, dim: int, ssm_ratio: float, mlp_ratio: float = 4.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = SelectiveScan2d(dim, ssm_ratio)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        x = x + self.drop_path(self.op(self.norm(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Permute(nn.Module):
    """Tensor.permute as a module, for stacks of layers."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Any x with as many dimensions as `dims`, in their order."""
        return x.permute(self.dims)


TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def conv_norm(in_chs: int, out_chs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """3x3 convolution of stride 2 and a norm over channels: (B, C, H, W) -> (B, H/2, W/2, C')."""
    conv = nn.Conv2d(in_chs, out_chs, 3, stride=2, padding=1)
    return conv, Permute(*TO_NHWC), nn.LayerNorm(out_chs)


class VMamba(StagedModel):
    """VMamba as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        ssm_ratio: channels of the scans over the stage's.
        mlp_ratio: hidden width of the MLPs over their input's.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; the sides of stage i have ceil(size / 2^(i+2))
    tokens.
    """

    min_size = 32
    top_name = 'classifier'

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 8, 2),
        ssm_ratio: float = 1.0,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        stem = nn.Sequential(
            *conv_norm(in_chans, embed_dim // 2),
            Permute(*TO_NCHW),
            nn.GELU(),
            *conv_norm(embed_dim // 2, embed_dim),
        )
        stages = [
            Stage(
                [Block(width, ssm_ratio, mlp_ratio, rate) for rate in rates[i]],
                nn.Sequential(Permute(*TO_NCHW), *conv_norm(width, 2 * width))
                if width < widths[-1]
                else nn.Identity(),
            )
            for i, width in enumerate(widths)
        ]
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)
        for module in self.modules():
            if isinstance(module, SelectiveScan2d):
                # StagedModel has initialised its linear layers as all others.
                module.reset_scan()

    def no_weight_decay(self) -> set[str]:
        """timm's hook: the scans' rates, steps and shortcuts are not pulled towards 0."""
        names = ('A_logs', 'Ds', 'dt_projs_bias')
        return {name for name, _ in self.named_parameters() if name.split('.')[-1] in names}

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel."""
        rename_keys_(state_dict, prefix)

    def released_state_dict(self, size: int) -> dict[str, Tensor]:
        """The state dict as in the newer released files, which fit any image size."""
        return self.state_dict()


default_cfgs = generate_default_cfgs(
    {
        f'vmamba_{arch}.in1k': default_cfg(
            first_conv='patch_embed.0',
            classifier='classifier.head',
            license='mit',
            origin_url='https://github.com/MzeroMiko/VMamba',
        )
        for arch in VMAMBA_ARCHS
    }
)


def _create_vmamba(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(VMamba, f'vmamba_{arch}', pretrained, **{**VMAMBA_ARCHS[arch], **kwargs})


@register_model
def vmamba_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """VMamba-T [s1l8]: 30 M parameters, 4.9 GFLOPs at 224."""
    return _create_vmamba('tiny', pretrained, kwargs)


@register_model
def vmamba_tiny_s2l5(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """VMamba-T [s2l5]: 31 M parameters, 4.9 GFLOPs at 224."""
    return _create_vmamba('tiny_s2l5', pretrained, kwargs)


@register_model
def vmamba_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """VMamba-S [s2l15]: 50 M parameters, 8.7 GFLOPs at 224."""
    return _create_vmamba('small', pretrained, kwargs)


@register_model
def vmamba_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """VMamba-B [s2l15]: 89 M parameters, 15.4 GFLOPs at 224."""
    return _create_vmamba('base', pretrained, kwargs)
