"""What a classifier gets right: by class, in confused classes, in its surest mistakes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..visualization.page import Html, Section, bar, beside, heading, name_of, paragraph, picture
from ..visualization.page import table as page_table
from .confusion import confusion

_PICTURES = 12


class ClassAnalyst:
    """Keeps of each image the true class, the predicted one and the scores of both.

    Args:
        dataset: of this package's.
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset
        self.classes: Sequence[str] = dataset.metainfo['classes']
        self.truth: list[int] = []
        self.best: list[int] = []
        self.scores: list[float] = []  # of the predicted class

    def add(self, samples: Sequence[dict[str, Any]]) -> None:
        """Take the next samples: of the EMA weights where there are some."""
        for sample in samples:
            score, label = sample.get('ema_scores', sample['scores']).max(dim=0)
            self.truth.append(int(sample['target']))
            self.best.append(int(label))
            self.scores.append(float(score))

    def counts(self) -> np.ndarray:
        """(K, K) images by true and predicted class."""
        counts = np.zeros((len(self.classes), len(self.classes)), int)
        np.add.at(counts, (self.truth, self.best), 1)
        return counts

    def sections(self, pictures: Callable[[int], np.ndarray]) -> list[Section]:
        """Classes, confusions and pictures."""
        counts = self.counts()
        return [
            Section('Classes', [_table(counts, self.classes)]),
            Section('Confused classes', confusion(counts, self.classes, 'images')),
            Section('Worst and best images', self._pictures(pictures)),
        ]

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
        truth, best = self.classes[self.truth[index]], self.classes[self.best[index]]
        text = f'{best} {self.scores[index]:.2f}'
        if truth != best:
            text = f'{text}, truly {truth}'
        text += f' ({Path(self.dataset.get_data_info(index)["img_path"]).name})'
        return picture(Image.fromarray(image), text, side=220)


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
