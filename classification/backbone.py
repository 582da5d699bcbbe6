"""Dense backbones for MMEngine's models: `dict(type='MILA', arch='tiny', ...)`."""

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

from .models.mila import ARCHS, MILA
from .models.study import LinearSwin
from .weights import load_weights, pretrained_source


class DenseModel:
    """Makes a StagedModel a backbone, with one LayerNorm an output map as the papers use it.

    Inherit from it before the model and from BaseModule after.

    Args:
        out_indices: stages whose maps are returned, ascending; later stages are not built.
        frozen_stages: -1 none, 0 the stem, i the stem and the first i stages: without gradient,
            in eval mode.
        with_cp: gradient checkpointing: less memory, a third more time in training.
        init_cfg: `dict(type='Pretrained', checkpoint=PATH_OR_URL, sha256=None)` in any format that
            `classification.weights` reads, loaded strictly: only the norms of the outputs may be
            missing and only the classifier's norm and head left over.
        model: arguments of the model.
    """

    def __init__(self, out_indices, frozen_stages, with_cp, init_cfg, **model):
        super().__init__(num_classes=0, **model)
        num_stages = len(self.layers)
        if not out_indices or list(out_indices) != sorted({*out_indices} & {*range(num_stages)}):
            raise ValueError(
                f'out_indices {tuple(out_indices)} must ascend within 0..{num_stages - 1}.'
            )
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(f'frozen_stages is -1 to {num_stages}, not {frozen_stages}.')
        self.init_cfg = init_cfg
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.prune_intermediate_layers(list(out_indices), prune_norm=True)
        self.set_grad_checkpointing(with_cp)
        for i in out_indices:
            self.add_module(f'norm{i}', nn.LayerNorm(self.feature_info[i]['num_chs']))
        for module in self._frozen():
            module.requires_grad_(False)

    def forward(self, x):
        """Images (B, C, H, W) -> tuple of maps (B, C_i, H / stride_i, W / stride_i), rounded up."""
        maps = self.forward_intermediates(
            x, list(self.out_indices), output_fmt='NHWC', intermediates_only=True
        )
        return tuple(
            # mmcv's RoIAlign reads memory as (B, C, H, W), whatever the strides say.
            getattr(self, f'norm{i}')(y).permute(0, 3, 1, 2).contiguous()
            for i, y in zip(self.out_indices, maps, strict=True)
        )

    def init_weights(self):
        """Load `init_cfg`'s checkpoint; MMEngine's own way ignores a file that does not fit."""
        source = pretrained_source(self.init_cfg)
        if source is None:
            return super().init_weights()
        pruned = range(len(self.layers), len(self.feature_info))
        load_weights(
            self,
            *source,
            missing=[f'norm{i}.' for i in self.out_indices],
            unexpected=['norm.', 'head.', *(f'norm{i}.' for i in range(len(self.feature_info)))]
            + [f'layers.{i}.' for i in pruned]
            + [f'layers.{i - 1}.downsample.' for i in pruned],
        )
        self._is_init = True

    def train(self, mode=True):
        """As nn.Module.train; frozen stages stay in eval mode (batch norm, stochastic depth)."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self):
        if self.frozen_stages >= 0:
            yield self.patch_embed
        for i in range(min(self.frozen_stages, len(self.layers))):
            yield self.layers[i]
            if i in self.out_indices:
                yield getattr(self, f'norm{i}')


@MODELS.register_module('MILA')
class MILABackbone(DenseModel, MILA, BaseModule):
    """MILA as a dense backbone.

    Args:
        arch: 'tiny', 'small', 'base', or a dict with embed_dim, depths, num_heads (and mlp_ratio).
        in_channels: image channels.
        drop_path_rate: stochastic depth of the last block.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
    """

    def __init__(self, arch='tiny', in_channels=3, out_indices=(0, 1, 2, 3), drop_path_rate=0.0,
                 frozen_stages=-1, with_cp=False, init_cfg=None):  # fmt: skip
        super().__init__(
            out_indices, frozen_stages, with_cp, init_cfg,
            in_chans=in_channels, drop_path_rate=drop_path_rate, **_resolve(arch),
        )  # fmt: skip


@MODELS.register_module('LinearSwin')
class LinearSwinBackbone(DenseModel, LinearSwin, BaseModule):
    """A model of the empirical study as a dense backbone.

    Args:
        in_channels: image channels.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
        model: sizes and switches of LinearSwin.
    """

    def __init__(self, in_channels=3, out_indices=(0, 1, 2, 3), frozen_stages=-1, with_cp=False,
                 init_cfg=None, **model):  # fmt: skip
        super().__init__(
            out_indices, frozen_stages, with_cp, init_cfg, in_chans=in_channels, **model
        )


def _resolve(arch):
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f'arch {arch!r} is none of {", ".join(ARCHS)}.')
        return ARCHS[arch]
    known = ('embed_dim', 'depths', 'num_heads', 'mlp_ratio')
    if arch.keys() - known:
        raise ValueError(f'arch has unknown keys {sorted(arch.keys() - known)}; known: {known}.')
    return arch
