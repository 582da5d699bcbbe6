"""MILA in MMDetection: importing this registers `MILA`, the task, and everything that mmdet has."""

import os

import classification  # noqa: F401  first, because it lets mmcv find its operators

# isort: split
from mmdet.utils import register_all_modules

from classification.engine.prediction.predictor import Predictor, load_predictor
from classification.engine.task import register_task

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
) -> Predictor:
    """A trained model, which gives `classification.results.Instances`.

    Args:
        path: a work dir, or a checkpoint beside which its config stands.
        device, precision, tile: as `Predictor`.
    """
    return load_predictor(path, 'mmdet', device=device, precision=precision, tile=tile)
