"""What a point of a picture attends to in a served model."""

from typing import Any

import numpy as np
from PIL import Image

from ..engine.errors import UsageError
from ..engine.prediction.predictor import Predictor
from ..explanation.explaining import show_attention
from ..explanation.subject import Subject


def explain(
    predictor: Any, picture: np.ndarray, place: tuple[float, float], title: str
) -> Image.Image:
    """What a point attends to in each stage of a model.

    Args:
        predictor: of a model that PyTorch runs.
        picture: (H, W, 3) uint8, RGB.
        place: of the point, as shares below 1 of width and height.
        title: what the picture calls the model.

    Raises:
        UsageError: the model is an exported one, its backbone has no stages, or the point is
            cropped away before the model.
    """
    if not isinstance(predictor, Predictor):
        raise UsageError('An exported model tells nothing of its attention: take the checkpoint.')
    height, width = picture.shape[:2]
    point = int(place[0] * width), int(place[1] * height)
    subject = Subject(
        predictor.model,
        predictor.task,
        predictor.classes,
        title,
        predictor.transform,
        predictor.collate,
    )
    return show_attention(subject, picture, point, columns=3)
