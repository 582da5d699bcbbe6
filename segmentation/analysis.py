"""What a segmentor gets right: by class, in confused classes, in its worst and best images."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from classification.analysis.confusion import confusion
from classification.results import ClassMap
from classification.visualization.drawing import Canvas, Colour, class_colours, hstack
from classification.visualization.lines import shorten
from classification.visualization.page import (
    Html,
    Section,
    bar,
    beside,
    heading,
    name_of,
    paragraph,
    picture,
    table,
)
from classification.visualization.page_style import VERMILLION

_WORST, _BEST = 8, 4


@dataclass
class Judged:
    """An image with its mean IoU over the classes that are in it or were predicted.

    Attributes:
        index: its position in the dataset.
        iou: from 0 to 1.
        shape: (H, W).
        maps: truth and prediction (2, H, W), 16 bits, compressed.
    """

    index: int
    iou: float
    shape: tuple[int, int]
    maps: bytes

    def read_maps(self) -> np.ndarray:
        """Truth and prediction (2, H, W)."""
        return np.frombuffer(zlib.decompress(self.maps), np.uint16).reshape(2, *self.shape)


class MapAnalyst:
    """Counts pixels by true and predicted class; keeps the maps of a few images.

    Args:
        dataset: with the metainfo of mmseg's datasets.
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset
        self.classes: Sequence[str] = dataset.metainfo['classes']
        self.palette: list[Colour] = class_colours(dataset.metainfo)
        self.counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        self.images = 0
        self.worst: list[Judged] = []
        self.best: list[Judged] = []

    def add(self, samples: Sequence[Any]) -> None:
        """Take the next samples; pixels without a class, such as 255, count for nothing."""
        for sample in samples:
            truth = sample.gt_sem_seg.data.squeeze(0).cpu().numpy()
            found = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
            counts = count_pixels(truth, found, len(self.classes))
            self.counts += counts
            iou = np.nanmean(class_iou(counts)) if counts.any() else np.nan
            if not np.isnan(iou):
                self._keep(self.images, float(iou), truth, found)
            self.images += 1

    def _keep(self, index: int, iou: float, truth: np.ndarray, found: np.ndarray) -> None:
        among_worst = len(self.worst) < _WORST or iou < self.worst[-1].iou
        among_best = len(self.best) < _BEST or iou > self.best[-1].iou
        if among_worst or among_best:
            maps = zlib.compress(np.stack([truth, found]).astype(np.uint16).tobytes(), 1)
            one = Judged(index, iou, truth.shape, maps)
            self.worst = sorted([*self.worst, one], key=lambda judged: judged.iou)[:_WORST]
            self.best = sorted([*self.best, one], key=lambda judged: -judged.iou)[:_BEST]

    def sections(self, pictures: Callable[[int], np.ndarray]) -> list[Section]:
        """Classes, confusions and pictures."""
        return [
            Section('Classes', [_table(self.counts, self.classes)]),
            Section('Confused classes', confusion(self.counts, self.classes, 'pixels')),
            Section('Worst and best images', self._pictures(pictures)),
        ]

    def _pictures(self, pictures: Callable[[int], np.ndarray]) -> list[Html]:
        text = (
            'Left the truth, in the middle the prediction, on the right the wrong pixels. Images '
            'are sorted by their own mean IoU, over the classes that are in them or were predicted.'
        )
        content = [paragraph(text, note=True)]
        shown = {judged.index for judged in self.worst}
        best = [judged for judged in self.best if judged.index not in shown]
        for title, chosen in (('Worst', self.worst), ('Best', best)):
            if chosen:
                drawn = [self._picture(one, pictures(one.index)) for one in chosen]
                content += [heading(title), beside(drawn, 'pictures')]
        return content

    def _picture(self, judged: Judged, image: np.ndarray) -> Html:
        truth, found = judged.read_maps().astype(int)
        names = [shorten(name) for name in self.classes]
        drawn = hstack(
            ClassMap(image, names, self.palette, truth).draw(),
            ClassMap(image, names, self.palette, found).draw(),
            draw_wrong(image, truth, found, len(names)),
        )
        name = Path(self.dataset.get_data_info(judged.index)['img_path']).name
        return picture(drawn, f'{name}: mean IoU {100 * judged.iou:.1f}', side=900)


def count_pixels(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true and predicted class.

    Args:
        truth, found: (H, W) positions of classes; what is beyond the classes in `truth` is left
            out.

    Returns:
        (classes, classes), rows are the truth.
    """
    known = (truth >= 0) & (truth < classes)
    pairs = truth[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """(K,) IoU of each class, from 0 to 1; nan where it neither is nor was predicted."""
    right = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def draw_wrong(
    image: np.ndarray, truth: np.ndarray, found: np.ndarray, classes: int
) -> Image.Image:
    """The wrong pixels over a pale image; maps as in `count_pixels`, the image enlarged."""
    pale = 255 - (255 - image.mean(axis=2, keepdims=True).repeat(3, axis=2)) * 0.4
    canvas = Canvas(pale.astype(np.uint8))
    wrong = (truth != found) & (truth >= 0) & (truth < classes)
    canvas.paint(wrong, ImageColor.getrgb(VERMILLION)[:3])
    return canvas.to_picture()


def _table(counts: np.ndarray, classes: Sequence[str]) -> Html:
    """Classes, the worst first."""
    iou, truths, found = class_iou(counts), counts.sum(axis=1), counts.sum(axis=0)
    rows = []
    for k in np.lexsort((-truths, np.nan_to_num(iou, nan=2))):
        known = not np.isnan(iou[k])
        rows.append(
            [
                name_of(classes[k]),
                bar(float(iou[k]) if known else None, f'{100 * iou[k]:.1f}' if known else '–'),
                f'{100 * counts[k, k] / truths[k]:.1f}' if truths[k] else '–',
                f'{100 * counts[k, k] / found[k]:.1f}' if found[k] else '–',
                f'{100 * truths[k] / max(counts.sum(), 1):.2f}',
            ]
        )
    titles = ['class', 'IoU, %', 'found of the truth, %', 'right of the found, %', 'pixels, %']
    return table(titles, rows)
