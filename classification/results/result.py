"""What the results of all tasks have in common."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..visualization.drawing import Colour


@dataclass
class Result:
    """What a model found in an image; notebooks show it drawn.

    Attributes:
        image: (H, W, 3) uint8, RGB: the pixels that the model was given, upright.
        names: of the classes.
        palette: an RGB colour for each class.
    """

    image: np.ndarray
    names: Sequence[str]
    palette: Sequence[Colour]

    def draw(self, score_thr: float = 0.3) -> Image.Image:
        """The result over its image, which is enlarged where it is small.

        Args:
            score_thr: instances with a lower score are left out.
        """
        raise NotImplementedError

    def is_bare(self, score_thr: float) -> bool:
        """Whether `draw` with that threshold shows nothing but the image."""
        return False

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.draw().save(file, 'PNG')
        return file.getvalue()
