"""The stages of any backbone with timm's interface, and the token that a pixel belongs to."""

from typing import Any

from torch import Tensor, nn

from ..engine.errors import UsageError

Token = tuple[int, int]  # (row, column)


def backbone_of(model: nn.Module) -> Any:
    """The part of a classifier, detector or segmentor that has timm's `forward_intermediates`.

    Raises:
        UsageError: there is none.
    """
    found = [part for part in model.modules() if hasattr(part, 'forward_intermediates')]
    if not found:
        raise UsageError(
            f'{type(model).__name__} has no backbone that gives its stages as timm has it: use '
            'MILA, VMamba, LinearSwin or a TimmBackbone.'
        )
    return found[-1]  # a TimmBackbone holds the model of timm, which has it too


def stage_maps(backbone: Any, images: Tensor) -> list[Tensor]:
    """Images (B, 3, H, W) as the backbone takes them -> its stages' maps (B, C_i, h_i, w_i)."""
    return backbone.forward_intermediates(images, intermediates_only=True)


def stage_module(backbone: Any, stage: int) -> nn.Module:
    """The module whose output is the map of a stage."""
    return backbone.get_submodule(backbone.feature_info[stage]['module'])


def as_batch(model: nn.Module, image: Tensor) -> Tensor:
    """An image (3, H, W) or (1, 3, H, W) as (1, 3, H, W) where the model's parameters are.

    Raises:
        ValueError: another shape.
    """
    image = image if image.ndim == 4 else image[None]
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f'One image (3, H, W) is explained at a time, not {tuple(image.shape)}.')
    return image.to(next(model.parameters()).device)


def token_at(point: tuple[int, int], image: tuple[int, ...], tokens: tuple[int, ...]) -> Token:
    """The token that holds a pixel.

    Args:
        point: (x, y) of the pixel.
        image, tokens: (height, width) of the image and of the map of tokens.

    Raises:
        UsageError: the pixel lies beyond the image.
    """
    (x, y), (height, width) = point, image
    if not (0 <= x < width and 0 <= y < height):
        raise UsageError(f'The point ({x}, {y}) is not in the image of {width}x{height} pixels.')
    return int(y * tokens[0] // height), int(x * tokens[1] // width)
