"""Sizes of images on the command line and in tables: '224', '800x1280' (height x width)."""

import argparse
from collections.abc import Sequence


def image_size(text: str) -> tuple[int, int]:
    """'224' or '800x1280' as (height, width): a type of argparse's arguments.

    Raises:
        argparse.ArgumentTypeError: another text.
    """
    sides = text.split('x')
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is no size such as 224 or 800x1280')
    return int(sides[0]), int(sides[-1])


def size_text(size: Sequence[int]) -> str:
    """(height, width) as '800x1280'."""
    return 'x'.join(map(str, size))
