"""What a segmentor gets right: by class, in confused classes, in its worst and best images."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from classification.analysis.bootstrap import mean_known
from classification.analysis.calibration import Calibration, calibration_report
from classification.analysis.confusion import confusion, most_confused
from classification.engine.task import Judgement
from classification.results import ClassMap
from classification.visualization.drawing import Colour, hstack
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

from .confidence import confidences
from .counting import class_iou, count_boundaries, count_pixels
from .wrong import draw_wrong

_WORST, _BEST = 8, 4
_PAIRS, _PER_PAIR = 3, 2  # confusions that are shown, and their images


@dataclass
class Judged:
    """An image with its mean IoU over the classes that are in it or were predicted.

    Attributes:
        iou: from 0 to 1; nan where no pixel has a class.
        cells, pixels: (E,) places in the flat matrix of `count_pixels` that are not 0, and what is
            there.
        shape: (H, W).
        maps: truth and prediction (2, H, W), 16 bits, compressed.
    """

    iou: float
    cells: np.ndarray
    pixels: np.ndarray
    shape: tuple[int, int]
    maps: bytes

    @classmethod
    def of(cls, truth: np.ndarray, found: np.ndarray, counts: np.ndarray) -> 'Judged':
        """Maps (H, W) and what `count_pixels` gives of them."""
        cells = np.flatnonzero(counts)
        maps = zlib.compress(np.stack([truth, found]).astype(np.uint16).tobytes(), 1)
        iou = float(mean_known(class_iou(counts)[:, None])[0])
        return cls(iou, cells, counts.flat[cells], truth.shape, maps)

    def read_maps(self) -> np.ndarray:
        """Truth and prediction (2, H, W)."""
        return np.frombuffer(zlib.decompress(self.maps), np.uint16).reshape(2, *self.shape)

    def counts(self, classes: int) -> np.ndarray:
        """As `count_pixels`."""
        return np.bincount(self.cells, self.pixels, classes**2).reshape(classes, classes)


class MapAnalyst:
    """Counts pixels by true and predicted class; keeps the maps of all images, compressed.

    Args:
        classes, palette: a name and an RGB colour for each class.
        file_of: position of an image -> its file.
    """

    quality_name = 'mean IoU'

    def __init__(
        self, classes: Sequence[str], palette: Sequence[Colour], file_of: Callable[[int], str]
    ):
        self.classes, self.palette, self.file_of = classes, palette, file_of
        self.counts = np.zeros((len(classes), len(classes)), np.int64)
        self.boundaries = np.zeros((2, len(classes)), np.int64)
        self.calibration = Calibration()
        self.images: list[Judged] = []

    def add(self, samples: Sequence[Any]) -> None:
        """Take the next samples; pixels without a class, such as 255, count for nothing."""
        for sample in samples:
            truth = sample.gt_sem_seg.data.squeeze(0).cpu().numpy()
            found = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
            self.add_maps(truth, found)
            if 'seg_logits' in sample:
                known = (truth >= 0) & (truth < len(self.classes))
                sure = confidences(sample.seg_logits.data)
                self.calibration.add(sure[known], (truth == found)[known])

    def add_maps(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Take the next image's maps, see `count_pixels`."""
        counts = count_pixels(truth, found, len(self.classes))
        self.counts += counts
        self.boundaries += count_boundaries(truth, found, len(self.classes))
        self.images.append(Judged.of(truth, found, counts))

    def analysis(self) -> 'MapAnalyst':
        return self

    def names(self) -> list[str]:
        return [self.file_of(i) for i in range(len(self.images))]

    def quality(self) -> np.ndarray:
        return np.array([image.iou for image in self.images])

    def judgements(self) -> list[Judgement]:
        """mIoU: of the pixels of all images, as mmseg's IoUMetric has it."""
        return [Judgement('mIoU', self._iou)]

    def _iou(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        right, union = np.zeros((2, len(self.classes), len(self.images)))
        for i, image in enumerate(self.images):
            pixels = image.counts(len(self.classes))
            right[:, i] = np.diag(pixels)
            union[:, i] = pixels.sum(axis=0) + pixels.sum(axis=1) - right[:, i]
        right, union = right @ counts, union @ counts
        iou = np.where(union > 0, right / np.maximum(union, 1), np.nan)
        return mean_known(iou), iou

    def sections(self, pictures: Callable[[int], np.ndarray] | None) -> list[Section]:
        """Classes, confusions, calibration and pictures."""
        sections = [
            Section('Classes', self._classes()),
            Section('Confused classes', confusion(self.counts, self.classes, 'pixels')),
            Section('Calibration', self._calibration()),
        ]
        if pictures:
            sections += [
                Section('Worst and best images', self._worst_and_best(pictures)),
                Section('Most confused images', self._confused(pictures)),
            ]
        return sections

    def _classes(self) -> list[Html]:
        both, either = self.boundaries
        boundary = np.where(either > 0, both / np.maximum(either, 1), np.nan)
        note = (
            'Boundary IoU (Cheng et al., CVPR 2021) compares only the pixels of truth and '
            'prediction that are within 2 % of the diagonal of the image from their outlines: '
            'the IoU of large regions hides rough outlines, this does not.'
        )
        return [_table(self.counts, boundary, self.classes), paragraph(note, note=True)]

    def _calibration(self) -> list[Html]:
        if not self.calibration.counts.any():
            return [paragraph('Left out: it needs scores of pixels, and there are none.')]
        return calibration_report(self.calibration, 'pixels', 'the surest class is the true one')

    def _worst_and_best(self, pictures: Callable[[int], np.ndarray]) -> list[Html]:
        text = (
            'Left the truth, in the middle the prediction, on the right the wrong pixels. Images '
            'are sorted by their own mean IoU, over the classes that are in them or were predicted.'
        )
        worst, best = self.worst_and_best()
        content = [paragraph(text, note=True)]
        for title, chosen in (('Worst', worst), ('Best', best)):
            if chosen:
                drawn = [self._picture(i, pictures(i)) for i in chosen]
                content += [heading(title), beside(drawn, 'pictures')]
        return content

    def worst_and_best(self) -> tuple[list[int], list[int]]:
        """Positions of the images with the lowest and the highest mean IoU, none in both."""
        iou = self.quality()
        order = [i for i in np.argsort(iou, kind='stable').tolist() if not np.isnan(iou[i])]
        worst = order[:_WORST]
        best = sorted(order[_WORST:], key=lambda i: -iou[i])[:_BEST]
        return worst, best

    def _confused(self, pictures: Callable[[int], np.ndarray]) -> list[Html]:
        """The images with the most pixels of the most frequent confusions."""
        content = []
        for truth, found in most_confused(self.counts, _PAIRS):
            cell = truth * len(self.classes) + found
            pixels = [int(image.pixels[image.cells == cell].sum()) for image in self.images]
            order = sorted(range(len(pixels)), key=lambda i: -pixels[i])
            shown = [i for i in order if pixels[i]][:_PER_PAIR]
            text = (
                f'{self.classes[truth]} taken for {self.classes[found]}: '
                f'{self.counts[truth, found]:,} pixels'
            )
            drawn = [self._picture(i, pictures(i)) for i in shown]
            content += [heading(text), beside(drawn, 'pictures')]
        return content or [paragraph('No class was taken for another.')]

    def draw(self, index: int, image: np.ndarray) -> Image.Image:
        """The truth, the prediction and the wrong pixels."""
        truth, found = self.images[index].read_maps().astype(int)
        names = [shorten(name) for name in self.classes]
        return hstack(
            ClassMap(image, names, self.palette, truth).draw(),
            ClassMap(image, names, self.palette, found).draw(),
            draw_wrong(image, truth, found, len(names)),
        )

    def caption(self, index: int) -> str:
        return f'mean IoU {100 * self.images[index].iou:.1f}'

    def _picture(self, index: int, image: np.ndarray) -> Html:
        text = f'{Path(self.file_of(index)).name}: {self.caption(index)}'
        return picture(self.draw(index, image), text, side=900)


def _table(counts: np.ndarray, boundary: np.ndarray, classes: Sequence[str]) -> Html:
    """Classes, the worst first."""
    iou, truths, found = class_iou(counts), counts.sum(axis=1), counts.sum(axis=0)
    rows = []
    for k in np.lexsort((-truths, np.nan_to_num(iou, nan=2))):
        known = not np.isnan(iou[k])
        rows.append(
            [
                name_of(classes[k]),
                bar(float(iou[k]) if known else None, f'{100 * iou[k]:.1f}' if known else '–'),
                f'{100 * boundary[k]:.1f}' if known else '–',
                f'{100 * counts[k, k] / truths[k]:.1f}' if truths[k] else '–',
                f'{100 * counts[k, k] / found[k]:.1f}' if found[k] else '–',
                f'{100 * truths[k] / max(counts.sum(), 1):.2f}',
            ]
        )
    titles = ['class', 'IoU, %', 'boundary IoU, %', 'found of the truth, %']
    return table([*titles, 'right of the found, %', 'pixels, %'], rows)
