"""What makes a model a dense backbone of MMEngine's models: maps with a norm each, frozen stages.

Every backbone here is a class with three bases: DenseModel, the model, and MMEngine's BaseModule.
Its parameters keep the model's own names, so that released detectors load as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn

from ..engine.weights.loading import load_weights
from ..zoo.download import pretrained

# The type checker knows nothing of it: the model and BaseModule beside it have what it calls.
_Model: Any = object
Backbone = TypeVar('Backbone', bound='DenseModel')


class DenseModel(_Model):
    """Makes a model with timm's interface a backbone, with one LayerNorm per output map.

    Inherit from it before the model and from BaseModule after. The model is a StagedModel, or has
    its `feature_info`, `stem_modules`, `forward_intermediates` (with output_fmt 'NHWC'),
    `prune_intermediate_layers` and `set_grad_checkpointing`.

    Args:
        out_indices: stages whose maps are returned, ascending; later stages are not built.
        frozen_stages: -1 none, 0 the stem, i the stem and the first i stages: without gradient,
            in eval mode.
        with_cp: gradient checkpointing: less memory, a third more time in training.
        init_cfg: `dict(type='Pretrained', checkpoint=PATH, sha256=None)`, where PATH is also a URL
            or the name of a release ('mila_tiny', which is fetched), in any format that
            `classification.engine.weights` reads, loaded strictly: only the norms of the outputs
            may be missing and only what dense use removes (head, its norm, later stages) left over.
            None leaves the weights random: training starts from scratch.
        norm: a LayerNorm for each output.
        model: arguments of the model.

    Raises:
        ValueError: out_indices or frozen_stages beyond the model's stages.
    """

    output_norm = 'norm{}'  # name of the norm of a stage's map

    def __init__(
        self,
        out_indices: Sequence[int],
        frozen_stages: int,
        with_cp: bool,
        init_cfg: dict[str, Any] | None,
        norm: bool,
        **model: Any,
    ) -> None:
        super().__init__(**model)
        info = self.feature_info
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
        self.prune_intermediate_layers(list(out_indices), prune_norm=True)
        self._removed = sorted(whole - self.state_dict().keys())
        self.set_grad_checkpointing(with_cp)
        for i in out_indices:
            layer = nn.LayerNorm(info[i]['num_chs']) if norm else nn.Identity()
            self.add_module(self.output_norm.format(i), layer)
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images (B, C, H, W) -> maps (B, C_i, H / stride_i, W / stride_i), sizes rounded up."""
        maps = self.forward_intermediates(
            x, list(self.out_indices), output_fmt='NHWC', intermediates_only=True
        )
        return tuple(
            # mmcv's RoIAlign reads memory as (B, C, H, W), whatever the strides say.
            self._norm(i)(y).permute(0, 3, 1, 2).contiguous()
            for i, y in zip(self.out_indices, maps, strict=True)
        )

    def init_weights(self) -> None:
        """Load `init_cfg`'s checkpoint; MMEngine's own way ignores a file that does not fit.

        Raises:
            CheckpointError: the file does not fit, or is none.
        """
        source = pretrained(self.init_cfg)
        if source is not None:
            stages = range(len(self.feature_info))
            norms = [f'{self.output_norm.format(i)}.' for i in stages]
            load_weights(self, *source, missing=norms, unexpected=[*norms, *self._removed])
        elif self.init_cfg:
            super().init_weights()
        self._is_init = True

    def train(self: Backbone, mode: bool = True) -> Backbone:
        """As nn.Module.train; frozen stages stay in eval mode (batch norm, stochastic depth)."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _frozen_modules(self) -> Iterator[nn.Module]:
        if self.frozen_stages < 0:
            return
        yield from self.stem_modules()
        for i in range(min(self.frozen_stages, self.out_indices[-1] + 1)):
            yield self.get_submodule(self.feature_info[i]['module'])
            if i in self.out_indices:
                yield self._norm(i)

    def _norm(self, stage: int) -> nn.Module:
        return getattr(self, self.output_norm.format(stage))


def resolve_arch(
    arch: str | Mapping[str, Any], archs: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The sizes that `arch` names, or that it is.

    Args:
        arch: a name in `archs`, or a dict with the keys of those (and mlp_ratio).
        archs: sizes by name.

    Raises:
        ValueError: an unknown name or key.
    """
    if isinstance(arch, str):
        if arch not in archs:
            raise ValueError(f'arch {arch!r} is none of {", ".join(archs)}.')
        return archs[arch]
    known = (*archs['tiny'], 'mlp_ratio')
    if arch.keys() - known:
        raise ValueError(f'arch has unknown keys {sorted(arch.keys() - known)}; known: {known}.')
    return arch
