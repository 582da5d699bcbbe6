"""VMamba: a hierarchical backbone whose token mixer scans the image in four orders.

Source: Liu et al., "VMamba: Visual State Space Model" (NeurIPS 2024); the selective scan: Gu and
Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023). Parameter names and
shapes are those of the released checkpoints; features are laid out as (B, H, W, C).
"""

import math
import re

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp
from timm.models import generate_default_cfgs, register_model
from torch import nn

from .scan import first_steps, inverse_softplus, linear_recurrence, to_image, to_sequence
from .staged import Stage, StagedModel, conv_nhwc, create, default_cfg, drop_path_rates

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn as scan_kernel
except ImportError:
    scan_kernel = None

ARCHS = {
    'tiny': dict(embed_dim=96, depths=(2, 2, 8, 2), ssm_ratio=1.0),
    'tiny_s2l5': dict(embed_dim=96, depths=(2, 2, 5, 2), ssm_ratio=2.0),
    'small': dict(embed_dim=96, depths=(2, 2, 15, 2), ssm_ratio=2.0),
    'base': dict(embed_dim=128, depths=(2, 2, 15, 2), ssm_ratio=2.0),
}

# The released weights are stacked in this order.
ORDERS = ('row', 'column', 'row_back', 'column_back')


def selective_scan(x, delta, A, B, C, D):
    """h_i = exp(Δ_i A) h_{i-1} + Δ_i B_i x_i,  y_i = C_i h_i + D x_i,  with Δ = softplus(delta).

    A state is one number a channel, in every order of the tokens. The compiled kernel of mamba-ssm
    computes it where that is installed and the tensors are on CUDA.

    Args:
        x, delta: (B, orders, N, channels).
        A, D: (orders, channels), A negative.
        B, C: (B, orders, N, 1).

    Returns:
        y, as x.
    """
    if scan_kernel is not None and x.is_cuda and x.dtype == torch.float32:
        return _kernel_scan(x, delta, A, B, C, D)
    delta = F.softplus(delta)
    h = linear_recurrence(torch.exp(delta * A[:, None]), delta * B * x, dim=2)
    return C * h + D[:, None] * x


def _kernel_scan(x, delta, A, B, C, D):
    """The same by mamba-ssm, which has tokens last and orders as groups of channels."""

    def tokens_last(t):
        return t.transpose(2, 3).contiguous()

    y = scan_kernel(
        tokens_last(x).flatten(1, 2),
        tokens_last(delta).flatten(1, 2),
        A.reshape(-1, 1),
        tokens_last(B),
        tokens_last(C),
        D.flatten(),
        delta_softplus=True,
    )
    return y.unflatten(1, A.shape).transpose(2, 3)


class LinearPerOrder(nn.Linear):
    """A linear layer for each order, stacked: (B, orders, N, in) -> (B, orders, N, out)."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, len(ORDERS) * out_features, bias=False)

    def forward(self, x):
        return x @ self.weight.unflatten(0, (len(ORDERS), -1)).transpose(1, 2)


class SelectiveScan2d(nn.Module):
    """A selective scan of the image in each order, and their sum; (B, H, W, dim) to the same.

    u = SiLU(DWConv(W_in x));  out = W_out norm(sum of the orders' y);  for each order
    (r, B, C) = W_x u,  delta = W_dt r + b,  y = selective_scan(u, delta, A, B, C, D).

    Args:
        dim: channels; the rank of W_dt is a sixteenth of them.
        ssm_ratio: channels of the scan over dim.
    """

    def __init__(self, dim, ssm_ratio):
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

    def reset_scan(self):
        """Mamba's initial values: A = -1, D = 1, steps Δ spread over .001 to .1 (log-uniform)."""
        self.x_proj.reset_parameters()
        nn.init.uniform_(self.dt_projs.weight, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():
            self.dt_projs_bias.copy_(inverse_softplus(first_steps(self.dt_projs_bias.shape)))
        nn.init.zeros_(self.A_logs)
        nn.init.ones_(self.Ds)

    def forward(self, x):
        height, width = x.shape[1:3]
        x = F.silu(conv_nhwc(self.conv2d, self.in_proj(x)))
        params = self.x_proj(x).unflatten(-1, (len(ORDERS), -1)).unbind(-2)
        x = torch.stack([to_sequence(x, order) for order in ORDERS], dim=1)
        params = torch.stack([to_sequence(*p) for p in zip(params, ORDERS, strict=True)], dim=1)
        r, B, C = params.split((self.rank, 1, 1), dim=-1)  # (B, orders, N, rank or 1)
        y = self._scan(x, self.dt_projs(r), B, C).unbind(1)
        y = sum(to_image(*p, height, width) for p in zip(y, ORDERS, strict=True))
        return self.out_proj(self.out_norm(y.to(x.dtype)))

    def _scan(self, x, delta, B, C):
        """selective_scan with the learned A, D and b; half precision would lose a long memory."""
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            x, delta, B, C = (t.to(dtype) for t in (x, delta, B, C))
            A = -self.A_logs.to(dtype).exp().view_as(self.dt_projs_bias)
            D = self.Ds.to(dtype).view_as(self.dt_projs_bias)
            return selective_scan(x, delta + self.dt_projs_bias.to(dtype)[:, None], A, B, C, D)


class Block(nn.Module):
    """x = x + scan(norm(x));  x = x + MLP(norm(x));  (B, H, W, C) to the same."""

    def __init__(self, dim, ssm_ratio, mlp_ratio=4.0, drop_path=0.0):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = SelectiveScan2d(dim, ssm_ratio)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x, table=None):
        """`table` is what a Stage gives blocks with rotary positions; a scan has its order."""
        x = x + self.drop_path(self.op(self.norm(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Permute(nn.Module):
    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def conv_norm(in_chs, out_chs):
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

    Inputs may have any height and width from 32 up; stage i has ceil(size / 2^(i+2)) tokens a side.
    """

    min_size = 32
    top_name = 'classifier'

    def __init__(
        self,
        in_chans=3,
        num_classes=1000,
        global_pool='avg',
        embed_dim=96,
        depths=(2, 2, 8, 2),
        ssm_ratio=1.0,
        mlp_ratio=4.0,
        drop_rate=0.0,
        drop_path_rate=0.0,
    ):
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
                rotary_dim=0,
            )
            for i, width in enumerate(widths)
        ]
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)
        for module in self.modules():
            if isinstance(module, SelectiveScan2d):  # whose linear layers are now as all others
                module.reset_scan()

    def no_weight_decay(self):
        """timm's hook: the scans' rates, steps and shortcuts are not pulled towards 0."""
        names = ('A_logs', 'Ds', 'dt_projs_bias')
        return {name for name, _ in self.named_parameters() if name.split('.')[-1] in names}

    def fit_released(self, state_dict, prefix=''):
        """Older files: `x_proj_weight` (orders, out, in), `norm.`, `head.`; newer: 1x1 kernels."""
        for name in [n for n in state_dict if n.startswith(prefix)]:
            value = state_dict.pop(name)
            own = name[len(prefix) :]
            if own.startswith(('norm.', 'head.')):
                own = f'{self.top_name}.{own}'
            elif own.endswith(('.x_proj_weight', '.dt_projs_weight')):
                own = f'{own.removesuffix("_weight")}.weight'
                value = value.flatten(0, 1)
            elif re.search(r'(_proj|_projs|\.fc\d)\.weight$', own) and value.shape[2:].numel() == 1:
                value = value.flatten(1)
            state_dict[prefix + own] = value

    def released_state_dict(self, size):
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
        for arch in ARCHS
    }
)


def _create_vmamba(arch, pretrained, kwargs):
    return create(VMamba, f'vmamba_{arch}', pretrained, **{**ARCHS[arch], **kwargs})


@register_model
def vmamba_tiny(pretrained=False, **kwargs):
    """VMamba-T [s1l8]: 30 M parameters, 4.9 GFLOPs at 224; published ImageNet top-1 82.6 %."""
    return _create_vmamba('tiny', pretrained, kwargs)


@register_model
def vmamba_tiny_s2l5(pretrained=False, **kwargs):
    """VMamba-T [s2l5]: 31 M parameters, 4.9 GFLOPs at 224; published ImageNet top-1 82.5 %."""
    return _create_vmamba('tiny_s2l5', pretrained, kwargs)


@register_model
def vmamba_small(pretrained=False, **kwargs):
    """VMamba-S [s2l15]: 50 M parameters, 8.7 GFLOPs at 224; published ImageNet top-1 83.6 %."""
    return _create_vmamba('small', pretrained, kwargs)


@register_model
def vmamba_base(pretrained=False, **kwargs):
    """VMamba-B [s2l15]: 89 M parameters, 15.4 GFLOPs at 224; published ImageNet top-1 83.9 %."""
    return _create_vmamba('base', pretrained, kwargs)
