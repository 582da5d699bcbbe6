"""Which classes are taken for which, of any task."""

from collections.abc import Sequence

import numpy as np

from ..visualization.page import Html, heading, matrix, name_of, paragraph, table

_SHOWN = 20  # classes in the matrix
_PAIRS = 10


def confusion(
    counts: np.ndarray, classes: Sequence[str], unit: str, background: bool = False
) -> list[Html]:
    """A confusion matrix and its largest entries off the diagonal.

    Args:
        counts: (K, K), rows are the truth.
        classes: K names; with `background` the last row and column have none.
        unit: what is counted.
        background: the last row is what was found where there is nothing, the last column what
            was not found.
    """
    last = len(classes)
    rows = [*classes, 'background'] if background else list(classes)
    columns = [*classes, 'missed'] if background else list(classes)
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    content = []
    kept = np.arange(last)
    if last > _SHOWN:
        worst = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1))[:last], kind='stable')
        kept = np.sort(worst[:_SHOWN])
        content.append(
            paragraph(f'The {_SHOWN} of {last} classes with the most confusion.', note=True)
        )
    if background:
        kept = np.append(kept, last)
    content.append(
        matrix([rows[i] for i in kept], [columns[i] for i in kept], counts[np.ix_(kept, kept)])
    )
    pairs = _largest(counts, classes, unit)
    if pairs:
        content += [heading('Most frequent confusions'), table(*pairs, text=(1,))]
    return content


def _largest(
    counts: np.ndarray, classes: Sequence[str], unit: str
) -> tuple[list[str], list[list[str | Html]]] | None:
    """Titles and rows of the largest entries, of True class -> predicted class."""
    rows: list[list[str | Html]] = [
        [
            name_of(classes[i]),
            name_of(classes[j]),
            f'{counts[i, j]:,}',
            f'{100 * counts[i, j] / counts[i].sum():.1f} %',
        ]
        for i, j in most_confused(counts[: len(classes), : len(classes)], _PAIRS)
    ]
    return (['truth', 'taken for', unit, 'of the class'], rows) if rows else None


def most_confused(counts: np.ndarray, pairs: int) -> list[tuple[int, int]]:
    """(true class, predicted class) of the largest entries off the diagonal that are not 0.

    Args:
        counts: (K, K), rows are the truth.
        pairs: at most so many.
    """
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind='stable')[:pairs]
    found = [divmod(int(i), len(counts)) for i in order]
    return [(i, j) for i, j in found if wrong[i, j]]
