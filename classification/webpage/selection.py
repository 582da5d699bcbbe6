"""The part of a result that a user wants to see, taken without the model."""

from collections.abc import Collection, Sequence

import numpy as np

from ..results import ClassMap, Instances, Result, Scores


def select(result: Result, threshold: float, classes: Collection[str] = ()) -> Result:
    """What has at least this score and is of these classes.

    Args:
        result: of any task; a map of classes has no scores.
        threshold: from 0 to 1.
        classes: their names; without any, all.
    """
    wanted = np.array([not classes or name in classes for name in result.names], bool)
    if isinstance(result, Scores):
        # There may be more names than a model scores.
        kept = np.flatnonzero((result.scores >= threshold) & wanted[: len(result.scores)]).tolist()
        names, palette = [result.names[i] for i in kept], [result.palette[i] for i in kept]
        return Scores(result.image, names, palette, result.scores[kept])
    if isinstance(result, Instances):
        sure = result.above(threshold)
        return sure.select(wanted[sure.labels])
    if isinstance(result, ClassMap):
        return ClassMap(result.image, result.names, result.palette, _only(result.map, wanted))
    raise TypeError(f'{type(result).__name__} is no result that can be selected from.')


def found(result: Result) -> Sequence[str]:
    """The names of the classes in a result, in the order of the model, to choose from."""
    if isinstance(result, Instances):
        return [*result.counts()]
    if isinstance(result, ClassMap):
        return [result.names[label] for label in result.present()]
    return result.names


def _only(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A map (H, W) whose other classes are beyond all names."""
    if wanted.all():
        return labels
    none = 255 if len(wanted) < 256 else 65535
    table = np.where(wanted, np.arange(len(wanted)), none).astype(np.min_scalar_type(none))
    known = (labels >= 0) & (labels < len(wanted))
    return np.where(known, table[np.where(known, labels, 0)], table.dtype.type(none))
