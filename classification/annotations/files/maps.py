"""Files of maps: what is in them, and their values as labels."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import MapValue

IGNORED = 255  # label of the pixels that are neither trained on nor scored


class NotIndexes(ValueError):
    """An array that cannot hold a class for each pixel."""


@dataclass
class MapFile:
    """What is in the file of a map: its size (width, height), value -> pixels, and problems."""

    size: tuple[int, int] | None
    values: dict[MapValue, int]
    problems: list[Problem]


def look_at_maps(files: Sequence[Path], colours: bool) -> list[MapFile]:
    """What is in each file; with `colours` a palette's colours count, not its indexes."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda file: _look_at_map(file, colours), files)
        return [*tqdm(found, 'maps', len(files), unit='map', delay=2, leave=False)]


def _look_at_map(file: Path, colours: bool) -> MapFile:
    problems = []
    try:
        values, kind = read_map(file, colours)
    except NotIndexes as error:
        return MapFile(None, {}, [problem('map of fractions', file, '', str(error))])
    except Exception as error:  # damaged files make PIL raise anything
        return MapFile(None, {}, [problem('unreadable map', file, '', type(error).__name__)])
    size = (values.shape[1], values.shape[0])
    if kind in ('JPEG', 'MPO', 'WEBP'):
        problems.append(problem('map in a lossy format', file, '', kind))
    if values.ndim == 3 and not colours:
        channels = f'{values.shape[2]} channels'
        problems.append(problem('map of colours where indexes are meant', file, '', channels))
        return MapFile(size, {}, problems)
    return MapFile(size, _histogram(values), problems)


def read_map(file: Path, colours: bool = False) -> tuple[np.ndarray, str]:
    """(map, format of its file): (height, width) of values, or (height, width, 3 or 4) of colours.

    Args:
        file: an image of any mode, or a numpy array.
        colours: read a palette's colours, not its indexes; alpha is dropped.

    Raises:
        NotIndexes: of floating point, or of another number of dimensions.
    """
    if file.suffix.lower() == '.npy':
        values, kind = np.load(file, allow_pickle=False), 'NPY'
    else:
        with Image.open(file) as image:
            kind = image.format or ''
            values = np.asarray(image.convert('RGB') if colours else image)
    if values.dtype.kind not in 'uib' or values.ndim not in (2, 3) or not values.size:
        raise NotIndexes(f'{values.dtype} of {values.ndim} dimensions')
    return (values.astype(np.uint8) if values.dtype.kind == 'b' else values), kind


def _histogram(values: np.ndarray) -> dict[MapValue, int]:
    """{value or colour: pixels}."""
    if values.ndim == 3:
        codes = values[..., :3].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        numbers, counts = np.unique(codes, return_counts=True)
        keys: list[MapValue] = [(n >> 16, n >> 8 & 255, n & 255) for n in numbers.tolist()]
    elif values.dtype == np.uint8:
        all_counts = np.bincount(values.ravel(), minlength=1)
        keys, counts = np.flatnonzero(all_counts).tolist(), all_counts[all_counts > 0]
    else:
        numbers, counts = np.unique(values, return_counts=True)
        keys = numbers.tolist()
    return dict(zip(keys, counts.tolist(), strict=True))


def has_colours(legend: Mapping[MapValue, int | None] | None) -> bool:
    """Whether a legend is of colours, not of values."""
    return any(isinstance(value, tuple) for value in legend or ())


def to_labels(values: np.ndarray, legend: Mapping[MapValue, int | None]) -> np.ndarray:
    """(height, width) uint8 of labels; what the legend does not know is ignored."""
    labels = np.full(values.shape[:2], IGNORED, dtype=np.uint8)
    for value, label in legend.items():
        if label is not None:
            same = values == np.array(value) if values.ndim == 2 else (values == value).all(axis=2)
            labels[same] = label
    return labels
