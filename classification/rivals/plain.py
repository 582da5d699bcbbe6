"""What the plain models here share: tokens of one resolution, positions, timm's interface.

Tokens are laid out as (B, n, C); maps are public as (B, C, H, W).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import trunc_normal_
from timm.models import checkpoint
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from ..models.staged import check_size, create, rename_keys

Size = tuple[int, int]  # tokens in a column and in a row


def resize_table(table: Tensor, grid: Size, size: Size) -> Tensor:
    """Values of the tokens of a grid, bicubically for another one: (1, n, C) -> (1, n', C)."""
    if grid == size:
        return table
    image = table.transpose(1, 2).unflatten(2, grid)
    image = F.interpolate(image, size=size, mode='bicubic', align_corners=False)
    return image.flatten(2).transpose(1, 2)


def without_token(x: Tensor) -> Tensor:
    """(B, n + 1, C) with the class token at n // 2 -> (B, n, C)."""
    middle = (x.shape[1] - 1) // 2
    return torch.cat((x[:, :middle], x[:, middle + 1 :]), dim=1)


def with_token(x: Tensor, token: Tensor) -> Tensor:
    """(B, n, C) and a class token (B, 1, C) -> (B, n + 1, C), the token at n // 2."""
    middle = x.shape[1] // 2
    return torch.cat((x[:, :middle], token, x[:, middle:]), dim=1)


class PlainModel(nn.Module):
    """Patch embedding, positions, layers, a norm and a head, as timm has them.

    Args:
        patch_embed: images (B, in_chans, H, W) -> a map (B, C, H', W').
        layers: modules that take the tokens (B, n, C) and the map's size, and give the tokens for
            the next one and those of their own map.
        norm: of the last tokens, kept under `norm_name`.
        grid: the map's size for which `pos_embed` is made; for others it is resized.
        stride: side of a token in pixels.
        class_token: of whether there is one, in the middle of the tokens.
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'token' for the class token, 'avg', or '' for per-token outputs.
        drop_rate: dropout before the head.
    """

    output_fmt = 'NLC'
    min_size = 32
    norm_name = 'norm_f'

    def __init__(
        self,
        patch_embed: nn.Module,
        layers: Sequence[nn.Module],
        norm: nn.Module,
        dim: int,
        grid: Size,
        stride: int,
        class_token: bool,
        in_chans: int,
        num_classes: int,
        global_pool: str,
        drop_rate: float,
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.num_classes = num_classes
        self.global_pool = global_pool
        self.num_features = self.head_hidden_size = dim
        self.feature_info = [
            dict(num_chs=dim, reduction=stride, module=f'layers.{i}') for i in range(len(layers))
        ]
        self.grid = grid
        self.patch_embed = patch_embed
        self.pos_embed = nn.Parameter(torch.empty(1, grid[0] * grid[1] + class_token, dim))
        trunc_normal_(self.pos_embed, std=0.02)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim)) if class_token else None
        if self.cls_token is not None:
            trunc_normal_(self.cls_token, std=0.02)
        self.layers = nn.ModuleList(layers)
        self.add_module(self.norm_name, norm)
        self.head_drop = nn.Dropout(drop_rate)
        self.head = self._head()
        self.grad_checkpointing = False
        self.register_load_state_dict_pre_hook(rename_keys)

    def _head(self) -> nn.Module:
        if not self.num_classes:
            return nn.Identity()
        like: dict[str, Any] = dict(device=self.pos_embed.device, dtype=self.pos_embed.dtype)
        head = nn.Linear(self.num_features, self.num_classes, **like)
        trunc_normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return head

    def stem_modules(self) -> tuple[nn.Module, ...]:
        """What comes before the first layer."""
        return (self.patch_embed,)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """Bring a released file's entries under `prefix` to the names and shapes here, in place.

        A model without a class token takes the files of those with one.
        """
        names = f'{prefix}cls_token', f'{prefix}pos_embed'
        if self.cls_token is None and state_dict.keys() >= {*names}:
            del state_dict[names[0]]
            state_dict[names[1]] = without_token(state_dict[names[1]])

    def embed(self, x: Tensor) -> tuple[Tensor, Size]:
        """Images (B, in_chans, H, W) -> the first layer's tokens, and the map's size."""
        check_size(x, self.min_size, type(self).__name__)
        x = self.patch_embed(x)
        size = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        positions = self.pos_embed
        if self.cls_token is None:
            return x + resize_table(positions, self.grid, size), size
        middle = (positions.shape[1] - 1) // 2
        x = x + resize_table(without_token(positions), self.grid, size)
        token = self.cls_token + positions[:, middle : middle + 1]
        return with_token(x, token.expand(len(x), -1, -1)), size

    def run_layer(self, layer: nn.Module, x: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """The tokens for the next layer and those of this one's map."""
        if self.grad_checkpointing and self.training:
            return checkpoint(layer, x, size)
        return layer(x, size)

    def forward_features(self, x: Tensor) -> Tensor:
        """Images (B, in_chans, H, W) -> normalised last tokens, the class token in the middle."""
        x, size = self.embed(x)
        for layer in self.layers:
            x, _ = self.run_layer(layer, x, size)
        return self.get_submodule(self.norm_name)(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Last tokens (B, n, C) -> logits (B, num_classes), or pooled features (B, C)."""
        if self.global_pool == 'token':
            x = x[:, (x.shape[1] - 1) // 2]
        elif self.global_pool == 'avg':
            x = x.mean(dim=1)
        x = self.head_drop(x)
        return x if pre_logits else self.head(x)

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
        """The maps of chosen layers, without the class token.

        Args:
            x: images (B, in_chans, H, W).
            indices: layers: a list, a number (the last n) or None (all).
            norm: apply the final norm to the maps.
            stop_early: skip the layers after the last one asked for.
            output_fmt: 'NCHW' or 'NLC'.
            intermediates_only: return the list of maps alone.

        Returns:
            (the last tokens computed, normalised; the list of maps (B, C, H, W) or, as 'NLC',
            (B, n, C)), or the list alone.

        Raises:
            ValueError: an image side under `min_size` pixels, or an unknown output_fmt.
        """
        if output_fmt not in ('NCHW', 'NLC'):
            raise ValueError(f"output_fmt is 'NCHW' or 'NLC', not {output_fmt!r}.")
        wanted, last = feature_take_indices(len(self.layers), indices)
        final_norm = self.get_submodule(self.norm_name)
        maps = []
        x, size = self.embed(x)
        for i, layer in enumerate(self.layers[: last + 1] if stop_early else self.layers):
            x, y = self.run_layer(layer, x, size)
            if i in wanted:
                y = y if self.cls_token is None else without_token(y)
                y = final_norm(y) if norm else y
                maps.append(
                    y.transpose(1, 2).unflatten(2, size).contiguous() if output_fmt == 'NCHW' else y
                )
        return maps if intermediates_only else (final_norm(x), maps)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the layers, and the norm and head, that the maps at `indices` do not need."""
        wanted, last = feature_take_indices(len(self.layers), indices)
        self.layers = self.layers[: last + 1]
        if prune_norm:
            self.add_module(self.norm_name, nn.Identity())
        if prune_head:
            self.reset_classifier(0, '')
        return wanted

    def get_classifier(self) -> nn.Module:
        """The head, as timm asks for it."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new head for `num_classes`, on the device and in the dtype of the model."""
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = global_pool
        self.head = self._head()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the layers' activations again in the backward pass, to save memory."""
        self.grad_checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """timm's hook: the scans' rates and shortcuts, and the positions."""
        names = ('A_log', 'A_b_log', 'D', 'D_b', 'pos_embed', 'cls_token', 'direction_Bs')
        return {
            name
            for name, _ in self.named_parameters()
            if name.split('.')[-1].rstrip('_0123456789') in names
        }

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameter groups in depth order, for timm's layer-wise learning rates."""
        return dict(
            stem=r'^patch_embed|pos_embed|cls_token',
            blocks=[(r'^layers\.(\d+)', None), (rf'^{self.norm_name}', (99999,))],
        )


def create_plain(
    cls: type[PlainModel], name: str, pretrained: bool, taps: Sequence[int], **kwargs: Any
) -> nn.Module:
    """See `staged.create`; features_only gives the maps after the layers `taps` where not told."""
    if kwargs.get('features_only'):
        kwargs.setdefault('out_indices', tuple(taps))
    return create(cls, name, pretrained, **kwargs)
