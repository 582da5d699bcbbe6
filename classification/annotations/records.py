"""Annotated images in one form, whatever layout they were read from.

Readers give this form, checks and splits take it, and what trains is written from it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from .problems.problem import Problem

# (x1, y1, x2, y2) in pixels of the upright image; x2 and y2 lie on the far edges.
Box = tuple[float, float, float, float]
# A value of a map of classes, or its colour (red, green, blue).
MapValue = int | tuple[int, int, int]


@dataclass
class Instance:
    """An object in an image.

    Attributes:
        label: position of its class in `Annotations.classes`.
        box: around the object, within the image.
        polygons: outlines [x1, y1, x2, y2, …] in pixels, None where there are none.
        rle: the mask as COCO's run lengths dict(size=[height, width], counts=…), without polygons.
        crowd: whether it stands for many objects, which evaluation then ignores.
        record: where its file says so, such as 'annotation 17' or 'line 3'.
    """

    label: int
    box: Box
    polygons: list[list[float]] | None = None
    rle: dict | None = None
    crowd: bool = False
    record: str = ''

    @property
    def has_mask(self) -> bool:
        """Whether its outline is known, not its box alone."""
        return self.polygons is not None or self.rle is not None


@dataclass
class AnnotatedImage:
    """An image and what its annotations say.

    Attributes:
        path: the image file.
        size: (width, height) in pixels of the upright image, None where it cannot be read.
        instances: its objects; those that cannot be used are left out and named as problems.
        label: position of the whole image's class in `Annotations.classes`, or None.
        map: file of its map of classes, or None.
        pixels: of its map: label -> number of pixels, without those that are ignored.
        split: 'train', 'val', 'test', or None where the layout does not say.
        source: the file that holds its annotations, None where there is none.
    """

    path: Path
    size: tuple[int, int] | None = None
    instances: list[Instance] = field(default_factory=list)
    label: int | None = None
    map: Path | None = None
    pixels: dict[int, int] = field(default_factory=dict)
    split: str | None = None
    source: Path | None = None

    @property
    def labels(self) -> set[int]:
        """The classes that it shows, by its objects, its own label and its map's pixels."""
        labels = {instance.label for instance in self.instances} | set(self.pixels)
        return labels if self.label is None else labels | {self.label}

    @property
    def examples(self) -> list[int]:
        """A label for all there is to learn: objects but crowds, classes of its map, the image."""
        labels = [instance.label for instance in self.instances if not instance.crowd]
        labels += self.pixels
        return labels if self.label is None else [*labels, self.label]


@dataclass
class Annotations:
    """A set of annotated images.

    Attributes:
        layout: 'coco', 'yolo', 'voc', 'labelme', 'cvat', 'maps' or 'folders'.
        root: the folder or file that was read.
        classes: names of the classes; labels are positions in it.
        images: in the order of their paths.
        legend: of maps: value or colour -> label, or None for pixels that are ignored.
        problems: what reading found.
        notes: sentences on how they were read and split, for whoever started it.
    """

    layout: str
    root: Path
    classes: list[str]
    images: list[AnnotatedImage]
    legend: dict[MapValue, int | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def has_objects(self) -> bool:
        """Whether any image has objects, with boxes at least."""
        return any(image.instances for image in self.images)

    @property
    def has_masks(self) -> bool:
        """Whether every object has a mask, and there are objects."""
        instances = [instance for image in self.images for instance in image.instances]
        return bool(instances) and all(instance.has_mask for instance in instances)

    @property
    def has_maps(self) -> bool:
        """Whether images have maps of classes."""
        return any(image.map for image in self.images)

    @property
    def has_labels(self) -> bool:
        """Whether images as a whole have classes."""
        return any(image.label is not None for image in self.images)
