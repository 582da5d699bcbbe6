"""Whether two runs differ: the paired bootstrap over the images of a test.

The images are drawn anew with replacement, the same for both runs, and the metrics computed of
what was drawn (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). It
tells what another choice of test images would change; not what another seed of the training would.
"""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Difference(NamedTuple):
    """How much higher the second of two values is, with its interval.

    Attributes:
        value: of the test set as it is.
        low, high: the middle 95 % of the resamples lie between.
    """

    value: float
    low: float
    high: float

    @property
    def is_distinct(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def draw_images(images: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each image is in the test set: (images, 1 + resamples).

    The first column is the set as it is, with each image once.
    """
    rng = np.random.default_rng(seed)
    counts = np.ones((images, 1 + resamples), np.int16)
    for r in range(1, 1 + resamples):
        counts[:, r] = np.bincount(rng.integers(0, images, images), minlength=images)
    return counts


def difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Of a metric's values (1 + resamples,) of both runs, for the columns of `draw_images`.

    A resample in which the metric has no value, nan, is left out.
    """
    change = second - first
    known = change[1:][~np.isnan(change[1:])]
    if np.isnan(change[0]) or not len(known):
        return Difference(np.nan, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(change[0]), float(low), float(high))


def mean_known(values: np.ndarray) -> np.ndarray:
    """(R,) means of the columns of (K, R), over what is not nan; nan where all is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
