"""The scores of the classes for an image as a whole."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..visualization.drawing import draw_text
from .result import Result

_BEST = 5  # classes that are shown and written


@dataclass
class Scores(Result):
    """What a classifier found.

    Attributes:
        scores: (num_classes,), which sum to 1.
    """

    scores: np.ndarray

    @property
    def label(self) -> int:
        """Position of the best class in `names`."""
        return int(self.scores.argmax())

    @property
    def name(self) -> str:
        """Name of the best class."""
        return self.names[self.label]

    def best(self, count: int = _BEST) -> list[tuple[str, float]]:
        """(name, score) of the `count` best classes, the best first."""
        order = np.argsort(-self.scores, kind='stable')[:count]
        return [(self.names[label], float(self.scores[label])) for label in order]

    def draw(self, score_thr: float = 0.3) -> Image.Image:
        """The best classes with their scores, whatever `score_thr`."""
        return draw_text(self.image, [f'{name}  {score:.3f}' for name, score in self.best()])
