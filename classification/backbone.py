"""Dense backbones for MMEngine's models: `dict(type='MILA', arch='tiny', ...)` and others."""

from itertools import takewhile

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

from .engine.loading import load_weights, pretrained_source
from .models import mila, vmamba
from .models.factory import any_size, create_model
from .models.study import LinearSwin


class DenseModel:
    """Makes a model with timm's interface a backbone, with one LayerNorm an output map.

    Inherit from it before the model and from BaseModule after.

    Args:
        out_indices: stages whose maps are returned, ascending; later stages are not built.
        frozen_stages: -1 none, 0 the stem, i the stem and the first i stages: without gradient,
            in eval mode.
        with_cp: gradient checkpointing: less memory, a third more time in training.
        init_cfg: `dict(type='Pretrained', checkpoint=PATH_OR_URL, sha256=None)` in any format that
            `engine.weights` reads, loaded strictly: only the norms of the outputs may be
            missing and only what dense use removes (head, its norm, later stages) left over.
        model: arguments of the model.
    """

    output_norm = 'norm{}'
    output_fmt = 'NHWC'  # of the model's maps

    def __init__(self, out_indices, frozen_stages, with_cp, init_cfg, **model):
        super().__init__(**model)
        self._make_dense(out_indices, frozen_stages, with_cp, init_cfg)

    @property
    def features(self):
        """The model with timm's interface."""
        return self

    def _make_dense(self, out_indices, frozen_stages, with_cp, init_cfg, norm=True):
        info = self.features.feature_info
        if not out_indices or list(out_indices) != sorted({*out_indices} & {*range(len(info))}):
            raise ValueError(
                f'out_indices {tuple(out_indices)} must ascend within 0..{len(info) - 1}.'
            )
        if not -1 <= frozen_stages <= len(info):
            raise ValueError(f'frozen_stages is -1 to {len(info)}, not {frozen_stages}.')
        self.init_cfg = init_cfg
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        whole = self.state_dict().keys()
        self.features.prune_intermediate_layers(list(out_indices), prune_norm=True)
        self._removed = sorted(whole - self.state_dict().keys())
        self.features.set_grad_checkpointing(with_cp)
        for i in out_indices:
            layer = nn.LayerNorm(info[i]['num_chs']) if norm else nn.Identity()
            self.add_module(self.output_norm.format(i), layer)
        for module in self._frozen():
            module.requires_grad_(False)

    def forward(self, x):
        """Images (B, C, H, W) -> tuple of maps (B, C_i, H / stride_i, W / stride_i), rounded up."""
        maps = self.features.forward_intermediates(
            x, list(self.out_indices), output_fmt=self.output_fmt, intermediates_only=True
        )
        if self.output_fmt == 'NCHW':
            maps = [y.permute(0, 2, 3, 1) for y in maps]
        return tuple(
            # mmcv's RoIAlign reads memory as (B, C, H, W), whatever the strides say.
            self._norm(i)(y).permute(0, 3, 1, 2).contiguous()
            for i, y in zip(self.out_indices, maps, strict=True)
        )

    def init_weights(self):
        """Load `init_cfg`'s checkpoint; MMEngine's own way ignores a file that does not fit."""
        source = pretrained_source(self.init_cfg)
        if source is not None:
            stages = range(len(self.features.feature_info))
            norms = [f'{self.output_norm.format(i)}.' for i in stages]
            load_weights(self, *source, missing=norms, unexpected=[*norms, *self._removed])
        elif self.init_cfg:
            super().init_weights()
        self._is_init = True

    def train(self, mode=True):
        """As nn.Module.train; frozen stages stay in eval mode (batch norm, stochastic depth)."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self):
        if self.frozen_stages < 0:
            return
        stages = [info['module'] for info in self.features.feature_info]
        # The stem is all that comes before what holds the first stage.
        holder = stages[0].split('.')[0]
        for _, stem in takewhile(lambda c: c[0] != holder, self.features.named_children()):
            yield stem
        for i in range(min(self.frozen_stages, self.out_indices[-1] + 1)):
            yield self.features.get_submodule(stages[i])
            if i in self.out_indices:
                yield self._norm(i)

    def _norm(self, stage):
        return getattr(self, self.output_norm.format(stage))


@MODELS.register_module('MILA')
class MILABackbone(DenseModel, mila.MILA, BaseModule):
    """MILA as a dense backbone.

    Args:
        arch: 'tiny', 'small', 'base', or a dict with embed_dim, depths, num_heads (and mlp_ratio).
        in_channels: image channels.
        drop_path_rate: stochastic depth of the last block.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
    """

    def __init__(
        self,
        arch='tiny',
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.0,
        frozen_stages=-1,
        with_cp=False,
        init_cfg=None,
    ):
        super().__init__(
            out_indices,
            frozen_stages,
            with_cp,
            init_cfg,
            in_chans=in_channels,
            drop_path_rate=drop_path_rate,
            **_resolve(arch, mila.ARCHS),
        )


@MODELS.register_module('LinearSwin')
class LinearSwinBackbone(DenseModel, LinearSwin, BaseModule):
    """A model of the empirical study as a dense backbone.

    Args:
        in_channels: image channels.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
        model: sizes and switches of LinearSwin.
    """

    def __init__(
        self,
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        with_cp=False,
        init_cfg=None,
        **model,
    ):
        super().__init__(
            out_indices, frozen_stages, with_cp, init_cfg, in_chans=in_channels, **model
        )


@MODELS.register_module('VMamba')
class VMambaBackbone(DenseModel, vmamba.VMamba, BaseModule):
    """VMamba as a dense backbone.

    Args:
        arch: 'tiny', 'tiny_s2l5', 'small', 'base', or a dict with embed_dim, depths, ssm_ratio (and
            mlp_ratio).
        in_channels: image channels.
        drop_path_rate: stochastic depth of the last block.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
    """

    output_norm = 'outnorm{}'

    def __init__(
        self,
        arch='tiny',
        in_channels=3,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.0,
        frozen_stages=-1,
        with_cp=False,
        init_cfg=None,
    ):
        super().__init__(
            out_indices,
            frozen_stages,
            with_cp,
            init_cfg,
            in_chans=in_channels,
            drop_path_rate=drop_path_rate,
            **_resolve(arch, vmamba.ARCHS),
        )


@MODELS.register_module('TimmBackbone')
class TimmBackbone(DenseModel, BaseModule):
    """Any timm model that gives feature maps, as a dense backbone.

    It is built for images of any size. Its parameters are named `backbone.*`, so that the loader
    finds them in timm's own files, in those of an ImageClassifier and in those of a whole detector
    or segmentor alike.

    Args:
        name: of the model in timm, for example 'mambaout_tiny'.
        in_channels: image channels.
        norm: a LayerNorm for each output.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel; stages are the entries of
            the model's feature_info.
        model: further arguments of timm.create_model, such as drop_path_rate.

    Raises:
        ValueError: timm has no such model, or it gives no maps.
    """

    output_fmt = 'NCHW'  # what every timm model can give

    def __init__(
        self,
        name,
        in_channels=3,
        norm=True,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        with_cp=False,
        init_cfg=None,
        **model,
    ):
        BaseModule.__init__(self)
        self.backbone = create_model(name, in_chans=in_channels, **{**any_size(name), **model})
        if not hasattr(self.backbone, 'forward_intermediates'):
            raise ValueError(f"timm's {name} gives no feature maps: choose another model.")
        self._make_dense(out_indices, frozen_stages, with_cp, init_cfg, norm)

    @property
    def features(self):
        return self.backbone


def _resolve(arch, archs):
    if isinstance(arch, str):
        if arch not in archs:
            raise ValueError(f'arch {arch!r} is none of {", ".join(archs)}.')
        return archs[arch]
    known = (*archs['tiny'], 'mlp_ratio')
    if arch.keys() - known:
        raise ValueError(f'arch has unknown keys {sorted(arch.keys() - known)}; known: {known}.')
    return arch
