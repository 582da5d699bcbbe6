"""What the choices of a fine-tuning depend on, counted once."""

from dataclasses import dataclass

import numpy as np

from ..annotations.records import Annotations


@dataclass(frozen=True)
class Facts:
    """Numbers of the training images.

    Attributes:
        kind: what is trained, one of recipe.TEMPLATES.
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


def count_facts(kind: str, annotations: Annotations) -> Facts:
    """The facts of a split dataset."""
    train = [image for image in annotations.images if image.split == 'train']
    val = [image for image in annotations.images if image.split == 'val']
    sizes = np.array([sorted(image.size, reverse=True) for image in train if image.size])
    boxes = np.array([item.box for image in train for item in image.instances]).reshape(-1, 4)
    areas = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    shown = np.zeros(len(annotations.classes), int)
    for image in train:
        for label in image.labels:
            shown[label] += 1
    median = np.median(sizes, axis=0) if len(sizes) else np.array([224, 224])
    return Facts(
        kind=kind,
        classes=len(annotations.classes),
        train=len(train),
        val=len(val),
        image_size=(int(median[0]), int(median[1])),
        object_sizes=np.sqrt(areas),
        images_per_class=tuple(shown.tolist()),
        has_empty=kind in ('detect', 'segment') and any(not image.instances for image in train),
    )
