"""A sheet of pictures in rows, each with a line of text above it."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

_GAP = 8  # pixels between pictures
_FONT = 14


class Panel(NamedTuple):
    """A picture and the lines of text above it."""

    picture: Image.Image
    text: str


def sheet(rows: Sequence[Sequence[Panel]], side: int = 300) -> Image.Image:
    """Rows of panels on white, columns below each other.

    Args:
        rows: of panels; pictures of any size.
        side: width and height in pixels that a picture is fitted into.
    """
    font = ImageFont.load_default(size=_FONT)
    rows = [[Panel(fit(picture, side), text) for picture, text in row] for row in rows]
    columns = max(len(row) for row in rows)
    measure = ImageDraw.Draw(Image.new('RGB', (1, 1)))

    def text_size(text: str) -> tuple[int, int]:
        left, top, right, bottom = measure.multiline_textbbox((0, 0), text, font)
        return int(right) + 1, int(bottom) + 6 if text else 0

    widths = [
        max(max(row[i].picture.width, text_size(row[i].text)[0]) for row in rows if i < len(row))
        for i in range(columns)
    ]
    texts = [max(text_size(panel.text)[1] for panel in row) for row in rows]
    heights = [max(panel.picture.height for panel in row) for row in rows]
    width = sum(widths) + _GAP * (columns + 1)
    height = sum(texts) + sum(heights) + _GAP * (len(rows) + 1)
    page = Image.new('RGB', (width, height), 'white')
    draw = ImageDraw.Draw(page)
    y = _GAP
    for row, text_height, row_height in zip(rows, texts, heights, strict=True):
        x = _GAP
        for panel, column_width in zip(row, widths, strict=False):
            draw.multiline_text((x, y), panel.text, 'black', font)
            page.paste(panel.picture, (x, y + text_height))
            x += column_width + _GAP
        y += text_height + row_height + _GAP
    return page


def fit(picture: Image.Image, side: int) -> Image.Image:
    """A picture in a square of `side` pixels: small ones with sharp pixels, large ones smoothed."""
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return picture.resize(size, way)
