"""Predict images, whatever runs the model: the part that needs numpy and Pillow alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ...results import Result
from ...results.tiles import cut_tiles, merge
from ...results.writer import ResultsWriter
from ...visualization.drawing import Colour
from ..errors import UsageError
from .source import Given, Source


class Prepared(NamedTuple):
    """An image, ready for a model.

    Attributes:
        picture: (H, W, 3) uint8, RGB, as it was read.
        data: what the model takes.
        shape: of its input; images of one shape share a batch.
    """

    picture: np.ndarray
    data: Any
    shape: tuple[int, ...]


class ImagePredictor(ABC):
    """Predicts images with a model; a subclass prepares images for it and runs it.

    Args:
        formats: name of a format of results -> its writer; the first is the default.
        tile: side in pixels of the overlapping tiles in which larger images are predicted, whose
            results are merged; None predicts every image as a whole.
        can_merge: whether results of tiles can be merged to one.

    Attributes:
        classes: names of the classes.
        palette: an RGB colour for each.

    Raises:
        UsageError: the tiles are not possible.
    """

    classes: Sequence[str]
    palette: Sequence[Colour]

    def __init__(
        self,
        formats: Mapping[str, type[ResultsWriter]],
        tile: int | None,
        can_merge: bool,
    ):
        if tile is not None and (tile < 2 or not can_merge):
            raise UsageError(
                f'Tiles of {tile} pixels are not possible: give 2 or more, to a model that says '
                'where things are.'
            )
        self.formats, self.tile = formats, tile

    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest of all that decides what is predicted: two that share it predict the same."""

    @abstractmethod
    def _prepare(self, picture: np.ndarray, path: str) -> Prepared:
        """The model's input for a picture (H, W, 3), which was read from `path`."""

    @abstractmethod
    def _predict(self, batch: Sequence[Prepared]) -> list[Result]:
        """The results of images whose inputs have one shape; there is at least one."""

    def __call__(self, images: Any, batch_size: int = 1) -> Any:
        """The result of an image, or the list of those of a list of images.

        Args:
            images: what `images.to_image` takes, or a list of it.
            batch_size: how many images of one size are predicted together.

        Raises:
            DataError: an image cannot be read.
        """
        several = isinstance(images, (list, tuple))
        sources = [
            Given('the image', Path('image'), Given('', Path(), image).read())
            for image in (images if several else [images])
        ]
        # By size, so that those of one size are neighbours.
        order = sorted(range(len(sources)), key=lambda i: sources[i].image.shape)
        outcomes = self.stream([sources[i] for i in order], batch_size)
        results: dict[int, Result] = {}
        for i, (_, outcome) in zip(order, outcomes, strict=True):
            if isinstance(outcome, Exception):
                raise outcome
            results[i] = outcome
        return [results[i] for i in range(len(sources))] if several else results[0]

    def stream(
        self, sources: Iterable[Source], batch_size: int = 1
    ) -> Iterator[tuple[Source, Result | Exception]]:
        """Each image with its result, or with why it has none, in order and one after another.

        Neighbours with inputs of one size share a batch.
        """
        batch: list[tuple[Source, Prepared]] = []
        for source in sources:
            try:
                picture = source.read()
                if self.tile and max(picture.shape[:2]) > self.tile:
                    yield from self._try(batch)
                    batch = []
                    yield source, self._predict_tiles(picture, batch_size)
                    continue
                prepared = self._prepare(picture, source.file_name)
            except Exception as error:  # one odd image never costs the others
                yield from self._try(batch)
                batch = []
                yield source, error
                continue
            if batch and prepared.shape != batch[0][1].shape:
                yield from self._try(batch)
                batch = []
            batch.append((source, prepared))
            if len(batch) == batch_size:
                yield from self._try(batch)
                batch = []
        yield from self._try(batch)

    def _predict_tiles(self, picture: np.ndarray, batch_size: int) -> Result:
        """The merged results of a picture's overlapping tiles, which all have one size."""
        height, width = picture.shape[:2]
        tiles = cut_tiles(height, width, cast(int, self.tile))
        parts = []
        for start in range(0, len(tiles), batch_size):
            cut = [tile.of(picture) for tile in tiles[start : start + batch_size]]
            parts += self._predict([self._prepare(part, '') for part in cut])
        return merge(picture, [*zip(tiles, parts, strict=True)])

    def _try(
        self, batch: Sequence[tuple[Source, Prepared]]
    ) -> Iterator[tuple[Source, Result | Exception]]:
        """Results of a batch; where it fails, of each image alone."""
        if not batch:
            return
        try:
            results = self._predict([prepared for _, prepared in batch])
        except Exception as error:
            if len(batch) == 1:
                yield batch[0][0], error
            else:
                for item in batch:
                    yield from self._try([item])
            return
        for (source, _), result in zip(batch, results, strict=True):
            yield source, result
