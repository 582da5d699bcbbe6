"""Whether scores are shares: of what a model is 70 % sure of, are 70 % right?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..visualization.lines import Curve, curves
from ..visualization.page import Html, bar, beside, paragraph, table

BINS = 15  # as in Guo et al.


def _zeros() -> np.ndarray:
    return np.zeros(BINS)


@dataclass
class Calibration:
    """Predictions by their confidence, in BINS of one width from 0 to 1.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017).

    Attributes:
        counts: (BINS,) predictions.
        right: (BINS,) those that are right.
        confidence: (BINS,) sum of their confidences.
    """

    counts: np.ndarray = field(default_factory=_zeros)
    right: np.ndarray = field(default_factory=_zeros)
    confidence: np.ndarray = field(default_factory=_zeros)

    def add(self, confidence: np.ndarray, right: np.ndarray) -> None:
        """Take predictions: their confidences (N,) from 0 to 1, and whether each is right (N,)."""
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        self.counts += np.bincount(bins, minlength=BINS)
        self.right += np.bincount(bins, right, BINS)
        self.confidence += np.bincount(bins, confidence, BINS)

    def error(self) -> float:
        """Expected calibration error: the mean over all predictions of |share right - confidence|.

        Both are means of a bin; from 0 to 1, nan without predictions.
        """
        if not self.counts.any():
            return float('nan')
        return float(np.abs(self.right - self.confidence).sum() / self.counts.sum())


def calibration_plot(runs: Mapping[str, Calibration]) -> Html:
    """The reliability diagram of one or several runs, by their names."""
    lines: dict[str, Curve] = {}
    for name, one in runs.items():
        known = one.counts > 0
        shares = one.right[known] / one.counts[known]
        lines[name] = one.confidence[known] / one.counts[known], shares
    lines['perfect'] = np.array([0, 1]), np.array([0, 1])
    return curves(lines, 'Reliability', 'confidence', 'share that is right', (0, 1), marker='o')


def calibration_report(one: Calibration, what: str, right: str) -> list[Html]:
    """The diagram of a run with its error in words, and the bins.

    Args:
        what: the predictions, such as 'pixels'.
        right: what counts as right.
    """
    if not one.counts.any():
        return [paragraph('There are no predictions.')]
    total = one.counts.sum()
    gap = (one.confidence.sum() - one.right.sum()) / total
    tendency = f'{100 * abs(gap):.1f} points too {"sure" if gap > 0 else "careful"}'
    text = (
        f'The expected calibration error is {100 * one.error():.1f} %: so far apart are the '
        f'confidence and the share that is right, in the mean over {int(total):,} {what}. '
        f'All in all the model is {tendency}: its mean confidence is '
        f'{100 * one.confidence.sum() / total:.1f} %, and {100 * one.right.sum() / total:.1f} % '
        'are right.'
    )
    rows = [
        [
            f'{i / BINS:.2f} to {(i + 1) / BINS:.2f}',
            bar(one.right[i] / one.counts[i], f'{100 * one.right[i] / one.counts[i]:.1f}'),
            f'{100 * one.confidence[i] / one.counts[i]:.1f}',
            f'{int(one.counts[i]):,}',
        ]
        for i in np.flatnonzero(one.counts)
    ]
    titles = ['confidence', 'right, %', 'mean confidence, %', what]
    note = f'Right means: {right}. {BINS} bins of one width, as in Guo et al., ICML 2017.'
    return [
        paragraph(text),
        beside([calibration_plot({'this model': one}), table(titles, rows)]),
        paragraph(note, note=True),
    ]
