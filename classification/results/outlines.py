"""Masks as polygons. This needs OpenCV besides, so the package does not import it by itself."""

import cv2
import numpy as np

from .instances import Mask


def outlines(mask: Mask) -> list[np.ndarray]:
    """Outlines (N, 2), x and y in pixels of the image, of the parts of a mask.

    Holes, which such formats cannot say, are filled.
    """
    # Doubled, since OpenCV's outlines run through the middles of the outer pixels.
    fine = np.pad(mask.part, 1).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array(mask.corner) - 1
    return [(outline[:, 0] + 0.5) / 2 + corner for outline in map(np.asarray, found)]
