"""A config's pipeline of testing as `Pixels`, for detectors and segmentors."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.errors import UsageError
from .pixels import Pixels


def pixels_of_pipeline(
    steps: Sequence[Mapping[str, Any]], preprocessor: Any, divisor: int
) -> Pixels:
    """What the steps and the model's data preprocessor do to an image.

    Args:
        steps: configs of the transforms.
        preprocessor: mmdet's or mmseg's.
        divisor: see `Pixels`.

    Raises:
        UsageError: a step cannot be written as a graph.
    """
    resize, keep_ratio = None, True
    for step in steps:
        known = step['type']
        if known == 'Resize' and resize is None and set(step) <= {'type', 'scale', 'keep_ratio'}:
            resize, keep_ratio = _pair(step), bool(step.get('keep_ratio', False))
        elif known == 'LoadImageFromFile' and set(step) <= {'type', 'backend_args'}:
            continue
        elif 'Annotations' in known or known.startswith('Pack'):
            continue
        else:
            raise UsageError(
                f'The test pipeline step {dict(step)} cannot be exported: export the network '
                'alone with --bare, and do this step where the model is used.'
            )
    # mmdet and mmseg name it differently; both load BGR.
    swap = getattr(preprocessor, '_channel_conversion', False) or getattr(
        preprocessor, 'channel_conversion', False
    )
    normalise = preprocessor._enable_normalize
    return Pixels(
        mean=preprocessor.mean.flatten().tolist() if normalise else [0.0] * 3,
        std=preprocessor.std.flatten().tolist() if normalise else [1.0] * 3,
        rgb=bool(swap),
        resize=resize,
        keep_ratio=keep_ratio,
        divisor=divisor,
        pad_value=float(getattr(preprocessor, 'pad_value', 0)),
    )


def _pair(step: Mapping[str, Any]) -> tuple[int, int]:
    scale = step.get('scale')
    if isinstance(scale, int):
        return scale, scale
    if isinstance(scale, list | tuple) and len(scale) == 2:
        return int(scale[0]), int(scale[1])
    raise UsageError(
        f'The Resize of the test pipeline has the scale {scale!r}, which cannot be exported: give '
        'it two numbers.'
    )
