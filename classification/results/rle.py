"""Masks as text, in the run-length encoding of COCO's files."""

import numpy as np


def encode_rle(
    part: np.ndarray, corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> dict[str, list[int] | str]:
    """A mask (H, W) of bools as dict(size, counts): what pycocotools.mask.encode gives, as text.

    Counts are lengths of runs, column by column, beginning with one outside of the mask. From the
    fourth on each is written as the difference to the last but one. Numbers are written in groups
    of 5 bits, the lowest first, as characters from `0` on; a sixth bit says that more follow.

    Args:
        part: (h, w) bool, the mask or a part of it beyond which it is empty.
        corner: (x, y) of the part in the mask.
        size: (H, W) of the mask; the part's where not given.
    """
    (height, width), (x, y) = size or part.shape, corner
    # One pixel below each column ends every run there: runs come in pairs of start and end.
    columns = np.zeros((part.shape[1], part.shape[0] + 1), bool)
    columns[:, :-1] = part.T
    flat = np.concatenate(([False], columns.ravel()))
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), columns.shape[1])
    ends = (x + column) * height + y + row
    # Where the mask goes on in the next column there is an end and a start, and neither counts.
    same = ends[1:] == ends[:-1]
    ends = ends[~(np.append(same, False) | np.append(False, same))] if ends.size else ends
    counts = np.diff([0, *ends, height * width]).tolist()
    if ends.size and ends[-1] == height * width:
        counts.pop()
    text = []
    for i, count in enumerate(counts):
        number = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + 32 * more))
    return {'size': [height, width], 'counts': ''.join(text)}
