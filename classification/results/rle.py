"""Masks as text, in the run-length encoding of COCO's files."""

import numpy as np


def encode_rle(mask: np.ndarray) -> dict[str, list[int] | str]:
    """A mask (H, W) of bools as dict(size, counts): what pycocotools.mask.encode gives, as text.

    Counts are lengths of runs, column by column, beginning with one outside of the mask. From the
    fourth on each is written as the difference to the last but one. Numbers are written in groups
    of 5 bits, the lowest first, as characters from `0` on; a sixth bit says that more follow.
    """
    flat = np.asarray(mask, dtype=bool).ravel(order='F')
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    if flat.size and flat[0]:
        counts.insert(0, 0)
    text = []
    for i, count in enumerate(counts):
        number = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + 32 * more))
    return {'size': list(mask.shape), 'counts': ''.join(text)}
