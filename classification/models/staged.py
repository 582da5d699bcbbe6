"""What the hierarchical models here share: stages, timm's interface, initialisation.

Features are laid out as (B, H, W, C); a permuted view of that is channels_last, so that a
convolution copies no layout. Maps are public as (B, C, H, W).
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import trunc_normal_
from timm.models import build_model_with_cfg, checkpoint
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from ..zoo.download import fetch_pretrained


def drop_path_rates(last: float, depths: Sequence[int]) -> list[list[float]]:
    """Stochastic depth of every block, one list per stage, from 0 at the first to `last`."""
    rates = iter([last * i / max(sum(depths) - 1, 1) for i in range(sum(depths))])
    return [[next(rates) for _ in range(depth)] for depth in depths]


@torch.fx.wrap  # one node of an FX graph, which has no loops and conditions
def check_size(x: Tensor, least: int, model: str) -> None:
    """Refuse images x (B, C, H, W) with a side under `least` pixels.

    Raises:
        ValueError: naming the model and the size.
    """
    if any(side < least for side in x.shape[-2:]):
        raise ValueError(
            f'{model} needs images of at least {least}x{least}, got {tuple(x.shape[-2:])}.'
        )


class Stage(nn.Module):
    """Blocks at one resolution, and the step down to the next one, which the model calls.

    Args:
        blocks: modules that take the features (B, H, W, C) and what `block_arguments` gives.
        downsample: (B, H, W, C) -> (B, H / 2, W / 2, 2 C), or Identity.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample
        self.grad_checkpointing = False

    def block_arguments(self, x: Tensor) -> tuple:
        """What every block gets besides the features; for features x (B, H, W, C)."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        arguments = self.block_arguments(x)
        for block in self.blocks:
            if self.grad_checkpointing and self.training:
                x = checkpoint(block, x, *arguments)
            else:
                x = block(x, *arguments)
        return x


class Top(Protocol):
    """The module that holds the parts behind the last stage."""

    norm: nn.Module
    head: nn.Module


class StagedModel(nn.Module):
    """Patch embedding, stages and a head: a classifier and a source of maps, as timm has them.

    Args:
        patch_embed: images (B, in_chans, H, W) -> features (B, H', W', widths[0]).
        stages: a Stage for each of `widths`; every one but the last halves the sides.
        widths: channels of each stage.
        stride: side of a token of the first stage, in pixels.
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        drop_rate: dropout before the head.
    """

    output_fmt = 'NHWC'
    min_size = 1  # of an image's sides
    top_name = ''  # the submodule that holds `norm` and `head`; '' is the model itself
    layers: Sequence[Stage]  # an nn.ModuleList, whose type does not know what it holds

    def __init__(
        self,
        patch_embed: nn.Module,
        stages: Sequence[Stage],
        widths: Sequence[int],
        stride: int,
        in_chans: int,
        num_classes: int,
        global_pool: str,
        drop_rate: float,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.global_pool = global_pool
        self.in_chans = in_chans
        self.num_features = self.head_hidden_size = widths[-1]
        self.feature_info = [
            dict(num_chs=width, reduction=stride * 2**i, module=f'layers.{i}')
            for i, width in enumerate(widths)
        ]
        self.patch_embed = patch_embed
        self.layers = cast(Sequence[Stage], nn.ModuleList(stages))
        if self.top_name:
            self.add_module(self.top_name, nn.Module())
        self.top.norm = nn.LayerNorm(self.num_features)
        self.head_drop = nn.Dropout(drop_rate)
        self.top.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.apply(_init_weights)
        self.register_load_state_dict_pre_hook(rename_keys)

    @property
    def top(self) -> Top:
        """The module that holds `norm` and `head`."""
        return self.get_submodule(self.top_name)  # type: ignore[return-value]  # see __init__

    def stem_modules(self) -> tuple[nn.Module, ...]:
        """What comes before the first stage."""
        return (self.patch_embed,)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """Bring a released file's entries under `prefix` to the names and shapes here, in place."""

    def forward_features(self, x: Tensor) -> Tensor:
        """Images (B, in_chans, H, W) -> normalised last map (B, H', W', num_features)."""
        x, _ = self.forward_intermediates(x, indices=1)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Last map (B, H, W, C) -> logits (B, num_classes), or pooled features (B, C)."""
        if self.global_pool == 'avg':
            x = x.mean(dim=(1, 2))
        x = self.head_drop(x)
        return x if pre_logits else self.top.head(x)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in_chans, H, W) -> logits (B, num_classes)."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = 'NCHW',
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of chosen stages.

        Args:
            x: images (B, in_chans, H, W).
            indices: stages: a list, a number (the last n) or None (all).
            norm: apply the final norm to the last stage's map in the list (it fits no other).
            stop_early: skip the stages after the last one asked for.
            output_fmt: 'NCHW' or 'NHWC'.
            intermediates_only: return the list of maps alone.

        Returns:
            (the last map computed (B, H, W, C), normalised where it is the last stage's; the list
            of maps (B, C, H, W) or, as 'NHWC', (B, H, W, C)), or the list alone.

        Raises:
            ValueError: an image side under `min_size` pixels, or an unknown output_fmt.
        """
        check_size(x, self.min_size, type(self).__name__)
        if output_fmt not in ('NCHW', 'NHWC'):
            raise ValueError(f"output_fmt is 'NCHW' or 'NHWC', not {output_fmt!r}.")
        wanted, last = feature_take_indices(len(self.layers), indices)
        stages = self.layers[: last + 1] if stop_early else self.layers
        maps = []
        x = self.patch_embed(x)
        for i, stage in enumerate(stages):
            x = stage(x)
            final = i == len(self.layers) - 1
            if i in wanted:
                y = self.top.norm(x) if norm and final else x
                maps.append(y.permute(0, 3, 1, 2).contiguous() if output_fmt == 'NCHW' else y)
            if i < len(stages) - 1:
                x = stage.downsample(x)
        if intermediates_only:
            return maps
        return (self.top.norm(x) if final else x), maps

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the stages, and the norm and head, that the maps at `indices` do not need."""
        wanted, last = feature_take_indices(len(self.layers), indices)
        prune_end = last < len(self.layers) - 1
        if prune_end:
            self.layers = self.layers[: last + 1]
            self.layers[-1].downsample = nn.Identity()
        if prune_norm or prune_end:
            self.top.norm = nn.Identity()
            self.num_features = self.head_hidden_size = self.feature_info[last]['num_chs']
        if prune_head or prune_end:
            self.reset_classifier(0, '')
        return wanted

    def get_classifier(self) -> nn.Module:
        """The head, as timm asks for it."""
        return self.top.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new head for `num_classes`, on the device and in the dtype of the model."""
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = global_pool
        self.top.head = nn.Identity()
        if num_classes:
            like = next(self.patch_embed.parameters())
            self.top.head = nn.Linear(
                self.num_features, num_classes, device=like.device, dtype=like.dtype
            )
            _init_weights(self.top.head)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the blocks' activations again in the backward pass, to save memory."""
        for stage in self.layers:
            stage.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameter groups in depth order, for timm's layer-wise learning rates."""
        top = rf'{self.top_name}\.' if self.top_name else ''
        return dict(
            stem=r'^patch_embed',
            blocks=r'^layers\.(\d+)'
            if coarse
            else [
                (r'^layers\.(\d+)\.blocks\.(\d+)', None),
                (r'^layers\.(\d+)\.(?:norm|downsample)', (99,)),
                (rf'^{top}norm', (99999,)),
            ],
        )


def default_cfg(**kwargs: Any) -> dict[str, Any]:
    """What timm keeps of a model of 1000 classes at 224x224, and what is the model's own."""
    return dict(
        url='',  # `create` fetches the released file, whose address stands in the metafile
        num_classes=1000,
        input_size=(3, 224, 224),
        pool_size=(7, 7),
        crop_pct=0.875,
        interpolation='bicubic',
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        **kwargs,
    )


def create(cls: type[nn.Module], name: str, pretrained: bool, **kwargs: Any) -> nn.Module:
    """A model of this package as timm creates its models: under a name, or features_only.

    Args:
        cls: StagedModel, or another with its `rename_released_keys_`.
        name: of the model, and of its released weights.
        pretrained: load these; they are fetched where `pretrained_cfg_overlay` names no others.
        kwargs: of the model, and those of timm's `build_model_with_cfg`.
    """
    if pretrained:
        overlay = dict(kwargs.pop('pretrained_cfg_overlay', None) or {})
        if not overlay.keys() & {'file', 'url', 'state_dict', 'hf_hub_id'}:
            overlay['file'] = str(fetch_pretrained(name))
        kwargs['pretrained_cfg_overlay'] = overlay
    return build_model_with_cfg(
        cls,
        name,
        pretrained,
        feature_cfg=dict(out_indices=(0, 1, 2, 3), feature_cls='getter'),
        pretrained_filter_fn=_as_own,
        **kwargs,
    )


def _as_own(state_dict: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A file's entries under the model's own names, before timm looks for the head among them."""
    rename_keys(model, state_dict, '')
    return state_dict


def rename_keys(module: Any, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
    """Let `load_state_dict` take released files and those of this project's trainings."""
    around = 'backbone.'
    if not prefix and all(name.startswith(around) for name in state_dict):
        for name in list(state_dict):
            state_dict[name.removeprefix(around)] = state_dict.pop(name)
    module.rename_released_keys_(state_dict, prefix)


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
