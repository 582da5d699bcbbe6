"""MILA in MMDetection: importing this registers `MILA`, the task, and everything that mmdet has."""

import os

import classification  # noqa: F401  first, because it lets mmcv find its operators

# isort: split
from mmdet.utils import register_all_modules

from classification.engine.prediction.base import ImagePredictor
from classification.engine.task import register_task
from classification.loading import load_model

from . import transforms  # noqa: F401  registered in place of mmcv's
from .task import Detection

# The scope of a run is the config's to choose: `default_scope = 'mmdet'`.
register_all_modules(init_default_scope=False)
register_task('mmdet', Detection())


def load(
    path: str | os.PathLike,
    device: str | None = None,
    precision: str = 'fp32',
    tile: int | None = None,
) -> ImagePredictor:
    """A trained model, which gives `classification.results.Instances`.

    Args:
        path: a work dir, a checkpoint beside which its config stands, or an exported .onnx file.
        device, precision, tile: as `classification.loading.load_model`.
    """
    return load_model(path, 'mmdet', 'detection', device, precision, tile)
