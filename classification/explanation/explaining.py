"""The explanations as pictures, of a model as `open_subject` gives it."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from ..engine.errors import UsageError, shorten_list
from .activation import class_activation
from .attention import attention_maps
from .features import principal_colours
from .field import effective_field
from .pictures import (
    COLUMNS,
    draw_activation,
    draw_attention,
    draw_features,
    draw_fields,
    draw_positions,
)
from .positions import readings
from .stages import backbone_of, stage_maps
from .subject import Subject

Point = tuple[int, int]  # (x, y) in a picture, in pixels


def show_attention(
    subject: Subject, picture: np.ndarray, point: Point, columns: int = COLUMNS
) -> Image.Image:
    """What a point of a picture (H, W, 3) attends to, in the last block of each stage."""
    seen, point = subject.see(picture), subject.follow(picture, point)
    maps = attention_maps(subject.model, seen.inputs, point)
    return draw_attention(seen.pixels, point, maps, subject.title, columns)


def show_positions(subject: Subject, picture: np.ndarray, point: Point) -> Image.Image:
    """What RoPE, LePE and CPE each add to what a MILA reads at a point."""
    seen, point = subject.see(picture), subject.follow(picture, point)
    found = readings(subject.model, seen.inputs, point)
    return draw_positions(seen.pixels, point, found, subject.title)


def show_features(subject: Subject, picture: np.ndarray) -> Image.Image:
    """The principal components of each stage's features, as colours."""
    seen = subject.see(picture)
    with torch.no_grad():
        maps = stage_maps(backbone_of(subject.model), seen.inputs)
    return draw_features(seen.pixels, [principal_colours(one[0]) for one in maps], subject.title)


def show_activation(
    subject: Subject,
    picture: np.ndarray,
    label: str | None = None,
    point: Point | None = None,
    mask: bool = False,
    stage: int = -1,
) -> Image.Image:
    """Where a stage's features speak for a class, an object's box or its mask.

    Args:
        subject: the model.
        picture: (H, W, 3) uint8, RGB.
        label: name or number of a class; None takes the best one.
        point: (x, y) in the picture, in what is meant.
        mask: an object's mask, not its box.
        stage: its number, from 0; -1 is the last.

    Raises:
        UsageError: there is no such class or stage, or the model finds nothing of it.
    """
    backbone = backbone_of(subject.model)
    stages = len(backbone.feature_info)
    if not -1 <= stage < stages:
        raise UsageError(f'{subject.title} has the stages 1 to {stages}, not {stage + 1}.')
    seen = subject.see(picture)
    number = None if label is None else class_number(label, subject.names)
    if point is not None:
        point = subject.follow(picture, point)
    activation, score = class_activation(
        subject.model,
        lambda: subject.task.score(subject.model, seen.inputs, seen.sample, number, point, mask),
        stage,
    )
    name = subject.names[score.label] if subject.names else f'class {score.label}'
    name = f'mask of {name}' if mask else name
    return draw_activation(seen.pixels, activation.cpu().numpy(), score, name, subject.title)


def class_number(label: str, names: Sequence[str] | None) -> int:
    """The position of a class, which is named or is such a position.

    Raises:
        UsageError: there is no such class.
    """
    if names and label in names:
        return list(names).index(label)
    if label.isdecimal() and (names is None or int(label) < len(names)):
        return int(label)
    raise UsageError(f'{label} is no class of the model, whose are {shorten_list(names or [])}.')


def show_fields(
    subjects: Sequence[Subject], sizes: Sequence[int], pictures: Sequence[np.ndarray], number: int
) -> Figure:
    """Effective receptive fields of the last stage's centre, as the papers show them.

    Args:
        subjects: the models.
        sizes: sides of the images in pixels.
        pictures: (H, W, 3) uint8, RGB, each resized to a square; none: `number` of random noise.
        number: of the images.
    """
    source = (
        f'mean over {len(pictures)} images' if pictures else f'mean over {number} images of noise'
    )
    fields = {}
    for size in sizes:
        images = _squares(pictures, size) if pictures else _noise(number, size)
        fields[size] = [(one.title, _field(one.model, images)) for one in subjects]
    return draw_fields(fields, source)


def _field(model: nn.Module, images: Tensor) -> np.ndarray:
    device = next(model.parameters()).device
    return effective_field(model, images.to(device)).cpu().numpy()


def _noise(number: int, size: int) -> Tensor:
    return torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(0))


def _squares(pictures: Sequence[np.ndarray], size: int) -> Tensor:
    """(B, 3, size, size), normalised as ImageNet's models take them."""
    mean, std = (np.array(part) for part in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    resized = [
        (np.asarray(Image.fromarray(one).resize((size, size))) / 255 - mean) / std
        for one in pictures
    ]
    return torch.from_numpy(np.stack(resized)).float().permute(0, 3, 1, 2)
