"""A picture of what a segmentor got wrong."""

import numpy as np
from PIL import Image, ImageColor

from classification.visualization.drawing import Canvas
from classification.visualization.page_style import VERMILLION


def draw_wrong(
    image: np.ndarray, truth: np.ndarray, found: np.ndarray, classes: int
) -> Image.Image:
    """The wrong pixels over a pale image, enlarged; maps as in `counting.count_pixels`."""
    pale = 255 - (255 - image.mean(axis=2, keepdims=True).repeat(3, axis=2)) * 0.4
    canvas = Canvas(pale.astype(np.uint8))
    wrong = (truth != found) & (truth >= 0) & (truth < classes)
    canvas.paint(wrong, ImageColor.getrgb(VERMILLION)[:3])
    return canvas.to_picture()
