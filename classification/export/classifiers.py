"""How a classifier is described."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..classifier import ImageClassifier
from ..datasets.transforms import TimmTransform
from ..engine.errors import UsageError
from .exportable import Exportable, Port
from .pixels import Pixels


class Probabilities(nn.Module):
    """Scores of a classifier for normalised images.

    Args:
        classifier: in evaluation mode.
    """

    def __init__(self, classifier: ImageClassifier):
        super().__init__()
        self.backbone = classifier.backbone

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) probabilities of images (B, 3, H, W)."""
        return self.backbone(x).softmax(dim=1)


def exportable(classifier: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Exportable:
    """A classifier with what is around it.

    The caller resizes and crops, with Pillow as in testing; the graph normalises.

    Args:
        classifier: an ImageClassifier in evaluation mode.
        steps: configs of the transforms of testing.

    Raises:
        UsageError: it is another model, or a transform has no form that can be exported.
    """
    if not isinstance(classifier, ImageClassifier):
        raise UsageError(
            f'A {type(classifier).__name__} cannot be exported: the classifiers that can are '
            'ImageClassifier.'
        )
    preprocessing, pixels = _transforms(steps)
    scores = Port('scores', ['batch', classifier.num_classes], 'float32', 'probability, 0 to 1')
    return Exportable(
        task='classification',
        network=Probabilities(classifier),
        network_outputs=[scores],
        outputs=[scores],
        pixels=pixels,
        fixed_size=tuple(preprocessing['crop']),
        preprocessing=preprocessing,
    )


def _transforms(steps: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], Pixels]:
    """What Pillow does to an image, and what the graph does to the pixels that are left."""
    kinds = [step['type'] for step in steps]
    if kinds != ['ReadImage', 'TimmTransform']:
        raise UsageError(
            f'The test pipeline {kinds} cannot be exported: ReadImage and TimmTransform can.'
        )
    arguments = {key: value for key, value in steps[1].items() if key != 'type'}
    transforms = TimmTransform(**arguments).transform.transforms
    names = [type(step).__name__ for step in transforms]
    if names != ['Resize', 'CenterCrop', 'MaybeToTensor', 'Normalize']:
        raise UsageError(
            f'The transforms {", ".join(names)} of testing cannot be exported: give TimmTransform '
            "the crop_mode 'center' and a square input_size."
        )
    resize, crop, _, normalise = transforms
    interpolation = resize.interpolation.value
    if interpolation not in ('bicubic', 'bilinear'):
        raise UsageError(
            f'The interpolation {interpolation} of testing cannot be exported: set bicubic or '
            'bilinear in TimmTransform.'
        )
    size = resize.size
    preprocessing = dict(
        resize=size if isinstance(size, int) else size[0] if len(size) == 1 else list(size),
        interpolation=interpolation,
        crop=list(crop.size),
    )
    mean, std = (normalise.mean.tolist(), normalise.std.tolist())
    if not all(map(math.isfinite, [*mean, *std])):
        raise UsageError(f'The normalisation {mean}, {std} of testing is not finite: correct it.')
    return preprocessing, Pixels(mean=mean, std=std, unit=True)
