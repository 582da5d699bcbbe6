"""What the choices of a fine-tuning depend on, counted once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..annotations.records import AnnotatedImage, Annotations

# What can be trained: the name on the command line -> what it is.
KINDS = {
    'classify': 'a class for each image',
    'detect': 'boxes',
    'segment': 'boxes and masks of objects',
    'semantic': 'a class for each pixel',
}


@dataclass(frozen=True)
class Facts:
    """Numbers of the training images.

    Attributes:
        kind: one of KINDS.
        classes: how many there are.
        train, val: numbers of images.
        image_size: (longer, shorter) side of the median image in pixels.
        object_sizes: (N,) square roots of the boxes' areas in pixels; empty without boxes.
        images_per_class: how many training images show each class; empty where not known.
        has_empty: whether there are training images without objects.
    """

    kind: str
    classes: int
    train: int
    val: int
    image_size: tuple[int, int]
    object_sizes: np.ndarray
    images_per_class: tuple[int, ...]
    has_empty: bool

    @property
    def object_size(self) -> float:
        """Size in pixels that all but a tenth of the objects exceed; 0 without boxes."""
        return float(np.quantile(self.object_sizes, 0.1)) if len(self.object_sizes) else 0.0


def count_facts(
    kind: str,
    annotations: Annotations,
    train: Sequence[AnnotatedImage],
    val: Sequence[AnnotatedImage],
) -> Facts:
    """The facts of a split dataset; images whose size is not known do not count for sizes."""
    sizes = np.array([sorted(image.size, reverse=True) for image in train if image.size])
    boxes = np.array([item.box for image in train for item in image.instances]).reshape(-1, 4)
    areas = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    shown = np.zeros(len(annotations.classes), int)
    for image in train:
        for label in labels_of(image):
            shown[label] += 1
    median = np.median(sizes, axis=0) if len(sizes) else np.array([224, 224])
    return Facts(
        kind=kind,
        classes=len(annotations.classes),
        train=len(train),
        val=len(val),
        image_size=(int(median[0]), int(median[1])),
        object_sizes=np.sqrt(areas),
        images_per_class=() if kind == 'semantic' else tuple(shown.tolist()),
        has_empty=kind in ('detect', 'segment') and any(not image.instances for image in train),
    )


def labels_of(image: AnnotatedImage) -> set[int]:
    """The classes that an image shows, as far as its objects or its own label say."""
    labels = {instance.label for instance in image.instances}
    return labels if image.label is None else labels | {image.label}
