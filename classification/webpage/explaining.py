"""What a point of a picture attends to, drawn over what the model sees of the picture."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from PIL import Image

from ..engine.errors import UsageError
from ..engine.prediction.predictor import Predictor
from ..explanation.attention import attention_maps

_SIDE = 256  # pixels that pictures of maps have at least, on their longer side


class View(NamedTuple):
    """What a pipeline makes of a picture.

    Attributes:
        inputs: (1, 3, h, w), as the backbone takes it.
        shown: (h, w) bool, where a pixel of the picture is; beyond it is padding.
        x, y: (h, w) where it is from, as shares of the picture's width and height; NaN of padding.
    """

    inputs: Any
    shown: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Explained(NamedTuple):
    """A map of one stage: what it says, and the picture of it."""

    title: str
    picture: Image.Image


def explain(predictor: Any, picture: np.ndarray, place: tuple[float, float]) -> list[Explained]:
    """What a point's token attends to in each stage of a model.

    Args:
        predictor: of a model that PyTorch runs.
        picture: (H, W, 3) uint8, RGB.
        place: of the point, as shares of width and height.

    Raises:
        UsageError: the model is an exported one, its backbone has no stages, or the point was cut
            off.
    """
    if not isinstance(predictor, Predictor):
        raise UsageError('An exported model tells nothing of its attention: take the checkpoint.')
    seen = look(predictor, picture)
    distance = np.hypot(seen.x - place[0], seen.y - place[1])
    row, column = np.unravel_index(np.nanargmin(distance), distance.shape)
    height, width = seen.shown.any(1).sum(), seen.shown.any(0).sum()
    # Half a pixel of the input, and what values of 8 bits tell apart; what is cut off is farther.
    if distance[row, column] > np.hypot(0.5 / width, 0.5 / height) + 1 / 255:
        raise UsageError('The model does not see this point: its picture is cut at the edge.')
    maps = attention_maps(predictor.model, seen.inputs, (int(column), int(row)))
    cut = _cut(picture, seen)
    return [
        Explained(f'Stage {found.stage + 1}: {found.kind}', _draw(cut, found.weights, seen.shown))
        for found in maps
    ]


def look(predictor: Predictor, picture: np.ndarray) -> View:
    """What a predictor's pipeline makes of a picture, whatever its steps are.

    Its geometry is asked for with pictures of the same size that are black, white, and between
    them from left to right and from top to bottom.
    """
    height, width = picture.shape[:2]

    def plain(values: np.ndarray) -> np.ndarray:
        values = np.broadcast_to(values.astype(np.uint8), (height, width))
        return predictor.inputs(np.repeat(values[..., None], 3, axis=2))[0, 0].cpu().numpy()

    black, white = plain(np.zeros(1)), plain(np.full(1, 255))
    shown = np.abs(white - black) > 0.5 * np.abs(white - black).max()
    scale = np.where(shown, white - black, np.nan)
    x = (plain(np.linspace(0, 255, width).round()) - black) / scale
    y = (plain(np.linspace(0, 255, height).round()[:, None]) - black) / scale
    return View(predictor.inputs(picture), shown, x, y)


def _cut(picture: np.ndarray, seen: View) -> np.ndarray:
    """The part of a picture that the model sees."""
    height, width = picture.shape[:2]
    left, right = np.nanmin(seen.x) * width, np.nanmax(seen.x) * width
    top, bottom = np.nanmin(seen.y) * height, np.nanmax(seen.y) * height
    return picture[int(top) : max(1, round(bottom)), int(left) : max(1, round(right))]


def _draw(cut: np.ndarray, weights: np.ndarray, shown: np.ndarray) -> Image.Image:
    """Weights (h, w) of the tokens as colours over the grey picture that they belong to.

    Dark is 0 or less, bright the largest of them.
    """
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    scale = _SIDE / max(cut.shape[:2])
    size = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
    positive = np.maximum(weights, 0).astype(np.float32)
    whole = Image.fromarray(positive / max(positive.max(), np.finfo(np.float32).tiny))
    whole = whole.resize(shown.shape[::-1], Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(whole.crop(box).resize(size, Image.Resampling.BILINEAR)), 0, 1)
    colours = Image.fromarray((colormaps['inferno'](heat)[..., :3] * 255).astype(np.uint8))
    return Image.blend(Image.fromarray(cut).convert('L').convert('RGB').resize(size), colours, 0.7)
