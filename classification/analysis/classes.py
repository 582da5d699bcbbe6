"""What a classifier gets right: by class, in confused classes, in its surest mistakes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..engine.task import Judgement
from ..visualization.page import Html, Section, bar, beside, heading, name_of, paragraph, picture
from ..visualization.page import table as page_table
from .calibration import Calibration, calibration_report
from .confusion import confusion, most_confused

_PICTURES = 12
_PAIRS, _PER_PAIR = 4, 6  # confusions that are shown, and their images


class ClassAnalyst:
    """Keeps of each image the true class, the predicted one and the scores of both.

    Args:
        classes: their names.
        file_of: position of an image -> its file.
    """

    quality_name = 'score of the true class'

    def __init__(self, classes: Sequence[str], file_of: Callable[[int], str]):
        self.classes = classes
        self.file_of = file_of
        self.truth: list[int] = []
        self.best: list[int] = []
        self.scores: list[float] = []  # of the predicted class
        self.true_scores: list[float] = []  # of the true class

    def add(self, samples: Sequence[dict[str, Any]]) -> None:
        """Take the next samples: of the EMA weights where there are some."""
        for sample in samples:
            scores = sample.get('ema_scores', sample['scores']).tolist()
            truth = int(sample['target'])
            best = max(range(len(scores)), key=scores.__getitem__)
            self.add_image(truth, best, scores[best], scores[truth])

    def add_image(self, truth: int, best: int, score: float, true_score: float) -> None:
        """Take the next image: its true and its predicted class, and the scores of both."""
        self.truth.append(truth)
        self.best.append(best)
        self.scores.append(score)
        self.true_scores.append(true_score)

    @property
    def calibration(self) -> Calibration:
        """Of the predicted class's score."""
        made = Calibration()
        made.add(np.array(self.scores), np.equal(self.truth, self.best))
        return made

    def analysis(self) -> 'ClassAnalyst':
        return self

    def names(self) -> list[str]:
        return [self.file_of(i) for i in range(len(self.truth))]

    def quality(self) -> np.ndarray:
        return np.array(self.true_scores)

    def judgements(self) -> list[Judgement]:
        """Top-1."""
        return [Judgement('top-1', self._top1)]

    def _top1(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        truth, right = np.array(self.truth, int), np.equal(self.truth, self.best)
        images = _sum_by_class(counts, truth, len(self.classes))
        hits = _sum_by_class(counts[right], truth[right], len(self.classes))
        shares = np.where(images > 0, hits / np.maximum(images, 1), np.nan)
        return hits.sum(axis=0) / images.sum(axis=0), shares

    def counts(self) -> np.ndarray:
        """(K, K) images by true and predicted class."""
        counts = np.zeros((len(self.classes), len(self.classes)), int)
        np.add.at(counts, (self.truth, self.best), 1)
        return counts

    def sections(self, pictures: Callable[[int], np.ndarray] | None) -> list[Section]:
        """Classes, confusions and pictures."""
        counts = self.counts()
        sections = [
            Section('Classes', [_table(counts, self.classes)]),
            Section('Confused classes', confusion(counts, self.classes, 'images')),
            Section(
                'Calibration',
                calibration_report(self.calibration, 'images', 'the surest class is the true one'),
            ),
        ]
        if pictures:
            sections += [
                Section('Worst and best images', self._pictures(pictures)),
                Section('Most confused images', self._confused(counts, pictures)),
            ]
        return sections

    def draw(self, index: int, image: np.ndarray) -> Image.Image:
        """The image as it is: the caption has all."""
        return Image.fromarray(image)

    def caption(self, index: int) -> str:
        """The predicted class with its score, and the true one where it is another."""
        truth, best = self.classes[self.truth[index]], self.classes[self.best[index]]
        text = f'{best} {self.scores[index]:.2f}'
        return text if truth == best else f'{text}, truly {truth}'

    def _confused(self, counts: np.ndarray, pictures: Callable[[int], np.ndarray]) -> list[Html]:
        """Images of the most frequent confusions."""
        content = []
        for truth, best in most_confused(counts, _PAIRS):
            found = np.equal(self.truth, truth) & np.equal(self.best, best)
            order = sorted(np.flatnonzero(found).tolist(), key=lambda i: -self.scores[i])
            text = f'{self.classes[truth]} taken for {self.classes[best]}: {len(order)} images'
            shown = [self._picture(i, pictures(i)) for i in order[:_PER_PAIR]]
            content += [heading(text), beside(shown, 'thumbnails')]
        return content or [paragraph('No class was taken for another.')]

    def _pictures(self, pictures: Callable[[int], np.ndarray]) -> list[Html]:
        wrong = np.not_equal(self.truth, self.best)
        order = np.argsort(-np.array(self.scores), kind='stable')
        content = []
        for title, chosen in (
            ('Wrong, and the surest of it', order[wrong[order]]),
            ('Right, and the least sure', order[~wrong[order]][::-1]),
            ('Right, and the surest', order[~wrong[order]]),
        ):
            if len(chosen):
                shown = [self._picture(i, pictures(i)) for i in chosen[:_PICTURES].tolist()]
                content += [heading(title), beside(shown, 'thumbnails')]
        return content or [paragraph('There are no images.')]

    def _picture(self, index: int, image: np.ndarray) -> Html:
        text = f'{self.caption(index)} ({Path(self.file_of(index)).name})'
        return picture(Image.fromarray(image), text, side=220)


def _sum_by_class(counts: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes, R) sums of the rows of counts (N, R) that have the same label (N,)."""
    sums = np.zeros((classes, counts.shape[1]))
    if len(labels):
        order = np.argsort(labels, kind='stable')
        present, starts = np.unique(labels[order], return_index=True)
        sums[present] = np.add.reduceat(counts[order], starts, axis=0, dtype=float)
    return sums


def _table(counts: np.ndarray, classes: Sequence[str]) -> Html:
    """Classes, the worst first: recall is top-1 of the class's images."""
    truths, found = counts.sum(axis=1), counts.sum(axis=0)
    recall = np.diag(counts) / np.maximum(truths, 1)
    rows = []
    for k in np.lexsort((-truths, np.where(truths > 0, recall, 2))):
        precision = f'{100 * counts[k, k] / found[k]:.1f}' if found[k] else '–'
        share = float(recall[k]) if truths[k] else None
        text = f'{100 * recall[k]:.1f}' if truths[k] else '–'
        rows.append([name_of(classes[k]), bar(share, text), precision, f'{truths[k]:,}'])
    return page_table(['class', 'top-1, %', 'precision, %', 'images'], rows)
