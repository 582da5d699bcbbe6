"""The pictures of explanations: maps over what the model sees, in rows with lines of text."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from ..engine.task import Score
from ..visualization.drawing import Canvas
from ..visualization.heat import colour_map, heat
from ..visualization.sheet import Panel, fit, sheet
from .attention import AttentionMap
from .field import side_that_holds
from .positions import POSITIONS, Reading
from .stages import Token

COLUMNS = 5  # the image and four stages in a row; a ViT has more
_SIDE = 300  # pixels of a picture in a sheet
_CYAN, _OUTLINE = (0, 255, 255), (86, 180, 233)
_DECADES = 4  # of a field's largest value that are shown


def draw_attention(
    pixels: np.ndarray,
    point: tuple[int, int],
    maps: Sequence[AttentionMap],
    title: str,
    columns: int,
) -> Image.Image:
    """The image with the point, and what the last block of each stage reads at it.

    Numbers are weights over those of a token that reads all alike.

    Args:
        pixels: (H, W, 3) uint8, RGB, what the model sees.
        point: (x, y) in it.
        maps: of the stages.
        title: of the model.
        columns: pictures in a row.
    """
    seen = fit(Image.fromarray(pixels), _SIDE)
    panels = [Panel(_marked(seen, point, pixels.shape), f'{title}\npoint {point}')]
    for one in maps:
        height, width = one.weights.shape
        text = f'stage {one.stage + 1}, {width}x{height}: {one.kind}\n{_range(one.weights)}'
        panels.append(_panel(seen, one.weights, one.query, text))
    return sheet(_in_rows(panels, columns), _SIDE)


def draw_positions(
    pixels: np.ndarray, point: tuple[int, int], found: Sequence[Reading], title: str
) -> Image.Image:
    """For each stage what is read with all positions, without each, and the differences."""
    side = _SIDE * 2 // 3
    seen, rows = fit(Image.fromarray(pixels), side), []
    for one in found:
        text = f'{title}\nstage {one.stage + 1}, point {point}'
        row = [
            Panel(_marked(seen, point, pixels.shape), text),
            _panel(seen, one.whole, one.query, _lines('all', one.whole)),
        ]
        for name in POSITIONS:
            without = one.without[name]
            added = one.whole - without
            row += [
                _panel(seen, without, one.query, _lines(f'without {name}', without)),
                _panel(seen, added, one.query, _lines(f'{name} adds', added), signed=True),
            ]
        rows.append(row)
    return sheet(rows, side)


def draw_features(pixels: np.ndarray, colours: Sequence[np.ndarray], title: str) -> Image.Image:
    """The image, and the colours (h, w, 3) of each stage's features."""
    panels = [Panel(Image.fromarray(pixels), title)]
    for stage, one in enumerate(colours, 1):
        picture = Image.fromarray(one)
        panels.append(Panel(picture, f'stage {stage}, {one.shape[1]}x{one.shape[0]}'))
    return sheet(_in_rows(panels, COLUMNS), _SIDE)


def draw_activation(
    pixels: np.ndarray, activation: np.ndarray, score: Score, name: str, title: str
) -> Image.Image:
    """The image with the outline of what is scored, and its class activation."""
    canvas = Canvas(pixels)
    if score.region is not None:
        canvas.outline(score.region, _OUTLINE)
    size, method = activation.shape, 'HiResCAM' if score.region is not None else 'Grad-CAM'
    return sheet(
        [
            [
                Panel(canvas.to_picture(), title),
                Panel(_smooth(pixels, activation), f'{name}: {method}, {size[1]}x{size[0]}'),
            ]
        ],
        _SIDE,
    )


def draw_fields(fields: dict[int, list[tuple[str, np.ndarray]]], source: str) -> Figure:
    """Effective receptive fields: a row for each size of images, a column for each model.

    Args:
        fields: side in pixels -> title and field (side, side) of each model.
        source: what the gradients are the mean over.
    """
    columns = len(next(iter(fields.values())))
    figure = Figure(figsize=(2.6 * columns + 1, 3.0 * len(fields) + 0.4), layout='constrained')
    axes = figure.subplots(len(fields), columns, squeeze=False)
    for row, (size, models) in zip(axes, fields.items(), strict=True):
        for ax, (title, field) in zip(row, models, strict=True):
            shares = np.log10(np.maximum(field / field.max(), 10.0**-_DECADES))
            shown = ax.imshow(shares, cmap='inferno', vmin=-_DECADES, vmax=0)
            halves = ' / '.join(f'{side_that_holds(field, share):.0%}' for share in (0.5, 0.99))
            ax.set_title(f'{title}\n{size} pixels; {halves}', fontsize=8)
            ax.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes, shrink=0.6, label='log10 of the gradient over its maximum')
    figure.suptitle(
        f'Effective receptive field of the centre, {source}; '
        'side of the square that holds 50 % / 99 %',
        fontsize=9,
    )
    return figure


def _in_rows(panels: Sequence[Panel], columns: int) -> list[Sequence[Panel]]:
    return [panels[i : i + columns] for i in range(0, len(panels), columns)]


def _panel(
    seen: Image.Image, weights: np.ndarray, query: Token, text: str, signed: bool = False
) -> Panel:
    """Weights over the image, with the token that reads framed."""
    picture = heat(weights, seen, signed)
    draw = ImageDraw.Draw(picture)
    size = np.array(picture.size)[::-1] / weights.shape
    top, left = query * size
    bottom, right = (np.array(query) + 1) * size
    box = (left - 2, top - 2, max(right, left + 4) + 1, max(bottom, top + 4) + 1)
    draw.rectangle(box, outline=_CYAN, width=2)
    return Panel(picture, text)


def _smooth(pixels: np.ndarray, weights: np.ndarray) -> Image.Image:
    """An activation over the image, as usual interpolated between its places."""
    picture = fit(Image.fromarray(pixels), _SIDE)
    colours = colour_map(weights).resize(picture.size, Image.Resampling.BILINEAR)
    return Image.blend(picture.convert('L').convert('RGB'), colours, 0.5)


def _marked(picture: Image.Image, point: tuple[int, int], shape: tuple[int, ...]) -> Image.Image:
    """A cross at a point (x, y) of an image of that shape (H, W, …), in a copy of its picture."""
    picture = picture.copy()
    x = (point[0] + 0.5) * picture.width / shape[1]
    y = (point[1] + 0.5) * picture.height / shape[0]
    reach = max(picture.size) // 30
    draw = ImageDraw.Draw(picture)
    for colour, width in (('black', 5), (_CYAN, 2)):
        draw.line((x - reach, y, x + reach, y), colour, width)
        draw.line((x, y - reach, x, y + reach), colour, width)
    return picture


def _lines(name: str, weights: np.ndarray) -> str:
    return f'{name}\n{_range(weights)}'


def _range(weights: np.ndarray) -> str:
    """Least and largest weight, in those of a token that reads all alike."""
    low, high = (
        f'{weight:.0f}' if abs(weight) >= 10 else f'{weight:.2g}'
        for weight in (weights.min() * weights.size, weights.max() * weights.size)
    )
    return f'{low} to {high}, even = 1'
