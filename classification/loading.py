"""The model that a path leads to, whatever runs it: PyTorch, or ONNX Runtime if it is exported."""

import os
from importlib.util import find_spec

from .engine.errors import UsageError
from .engine.prediction.base import ImagePredictor
from .exported.model import is_exported
from .exported.model import load as load_exported


def load_model(
    path: str | os.PathLike,
    scope: str | None = None,
    task: str | None = None,
    device: str | None = None,
    precision: str = 'fp32',
    tile: int | None = None,
) -> ImagePredictor:
    """What predicts images with the model of a path.

    Args:
        path: an exported .onnx file, a work dir, or a checkpoint beside which its config stands.
        scope, task: what the model must be of: the `default_scope` of a trained one, the task of
            an exported one; None takes any.
        device: such as 'cpu' or 'cuda:1'; None takes a GPU where there is one.
        precision: 'fp32'; of a trained model also 'bf16' or 'fp16' for mixed precision.
        tile: side in pixels of the tiles in which larger images are predicted, or None.

    Raises:
        UsageError: there is no such model, one of another task, or no PyTorch for a trained one.
        CheckpointError: the file is not usable.
    """
    if is_exported(path):
        if precision != 'fp32':
            raise UsageError(
                f'{path} computes in the precision that it was exported with: leave out '
                f'{precision}, or load the checkpoint.'
            )
        return load_exported(path, device=device, tile=tile, task=task)
    if not find_spec('torch'):
        raise UsageError(
            f'{path} is no exported model (.onnx), and all others need PyTorch: install it, or '
            'export the model where it is.'
        )
    from .engine.prediction.predictor import load_predictor

    return load_predictor(path, scope, device=device, precision=precision, tile=tile)
