"""Any timm model that gives feature maps, as a dense backbone: `dict(type='TimmBackbone', ...)`."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..models.factory import any_size, create_model
from .dense import DenseModel


class TimmModel(nn.Module):
    """A timm model for images of any size, with the part of a StagedModel that DenseModel needs.

    Its parameters are named `backbone.*`, so that the loader finds them in timm's own files, in
    those of an ImageClassifier and in those of a whole detector or segmentor alike.

    Args:
        name: of the model in timm, for example 'mambaout_tiny'.
        kwargs: further arguments of timm.create_model, such as in_chans and drop_path_rate.

    Raises:
        ValueError: timm has no such model, or it gives no maps.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__()
        self.backbone = create_model(name, **{**any_size(name), **kwargs})
        if not hasattr(self.backbone, 'forward_intermediates'):
            raise ValueError(f"timm's {name} gives no feature maps: choose another model.")
        # The entries are what timm calls the stages.
        self.feature_info = [
            {**info, 'module': f'backbone.{info["module"]}'} for info in self.backbone.feature_info
        ]

    def stem_modules(self) -> Iterator[nn.Module]:
        """All that comes before the module that holds the first stage."""
        holder = self.feature_info[0]['module'].split('.')[1]
        before = takewhile(lambda child: child[0] != holder, self.backbone.named_children())
        return (module for _, module in before)

    def forward_intermediates(
        self, x: Tensor, indices: list[int], output_fmt: str, intermediates_only: bool
    ) -> list[Tensor]:
        """Images (B, C, H, W) -> the stages' maps (B, H_i, W_i, C_i), for 'NHWC' alone."""
        maps = self.backbone.forward_intermediates(
            x, indices, output_fmt='NCHW', intermediates_only=True
        )  # the one layout that every timm model can give
        return [y.permute(0, 2, 3, 1) for y in maps]

    def prune_intermediate_layers(self, indices: list[int], prune_norm: bool) -> None:
        """Remove what the maps at `indices` do not need."""
        self.backbone.prune_intermediate_layers(indices, prune_norm=prune_norm)

    def set_grad_checkpointing(self, enable: bool) -> None:
        """Compute activations again in the backward pass, to save memory."""
        self.backbone.set_grad_checkpointing(enable)


@MODELS.register_module('TimmBackbone')
class TimmBackbone(DenseModel, TimmModel, BaseModule):
    """A timm model as a dense backbone.

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

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        norm: bool = True,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
        **model: Any,
    ) -> None:
        super().__init__(
            out_indices,
            frozen_stages,
            with_cp,
            init_cfg,
            norm=norm,
            name=name,
            in_chans=in_channels,
            **model,
        )
