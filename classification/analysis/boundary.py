"""The pixels of a mask that lie at its boundary, as boundary IoU compares them.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR 2021).
"""

import math

import cv2
import numpy as np


def band_width(shape: tuple[int, int]) -> int:
    """Width in pixels of the band along boundaries in an image (H, W): 2 % of its diagonal."""
    return max(1, round(0.02 * math.hypot(*shape)))


def boundary_band(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask that are at most `width` pixels, also diagonal ones, from what is not.

    What lies beyond the image is not of the mask either.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool.
    """
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    inside = cv2.erode(
        mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=[0]
    )
    return mask & (inside == 0)
