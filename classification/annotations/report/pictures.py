"""Annotated images as small pictures, with what is to be learned drawn over them."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as mask_api

from ...engine.images import read_pil
from ...visualization.drawing import Canvas, Colour, Label, draw_labels
from ..files.maps import IGNORED, has_colours, read_map, to_labels
from ..records import AnnotatedImage, Annotations, Instance


def draw(
    image: AnnotatedImage, annotations: Annotations, colours: Sequence[Colour], side: int = 320
) -> Image.Image:
    """A picture with outlines, boxes and names, or the map.

    Args:
        image: of `annotations`; its map, if any, fits it.
        annotations: the set, for names and legend.
        colours: one for each class.
        side: in pixels of larger images; smaller ones are enlarged by a whole number.

    Raises:
        DataError: the image cannot be read.
    """
    picture = read_pil(image.path)
    shrink = min(1.0, side / max(picture.size))
    size = max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))
    canvas = Canvas(np.asarray(picture.resize(size, Image.Resampling.BILINEAR)))
    if image.map is not None:
        values, _ = read_map(image.map, has_colours(annotations.legend))
        labels = to_labels(values, annotations.legend)
        small = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
        for label in set(np.unique(small).tolist()) - {IGNORED}:
            canvas.paint(small == label, colours[label])
    for instance in image.instances:
        mask = _mask(instance, size, shrink)
        if mask is not None:
            canvas.paint(mask, colours[instance.label])
    picture = canvas.to_picture()
    pen, scale = ImageDraw.Draw(picture), shrink * canvas.scale
    names = []
    for instance in image.instances:
        corners = _inside([value * scale for value in instance.box], picture.size)
        pen.rectangle(corners, None, colours[instance.label])
        names.append(Label(corners, _name(instance, annotations), colours[instance.label]))
    if image.label is not None:
        name = annotations.classes[image.label]
        names.append(Label((0, 0, 0, 0), name, colours[image.label]))
    draw_labels(picture, names)
    return picture


def _name(instance: Instance, annotations: Annotations) -> str:
    return annotations.classes[instance.label] + (' (crowd)' if instance.crowd else '')


def _inside(corners: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Corners of which the lines lie within a picture."""
    x1, y1, x2, y2 = corners
    x2, y2 = min(x2, size[0] - 1), min(y2, size[1] - 1)
    return [min(x1, x2), min(y1, y2), x2, y2]


def _mask(instance: Instance, size: tuple[int, int], scale: float) -> np.ndarray | None:
    """(height, width) of an object's mask in a picture of `size` (width, height)."""
    if instance.polygons is not None:
        mask = Image.new('1', size)
        pen = ImageDraw.Draw(mask)
        for points in instance.polygons:
            pen.polygon([value * scale for value in points], fill=1)
        return np.asarray(mask)
    if instance.rle is None:
        return None
    rle: dict[str, Any] = instance.rle
    if isinstance(rle['counts'], list):
        rle = mask_api.frPyObjects(rle, *rle['size'])
    whole = Image.fromarray(mask_api.decode(rle))
    return np.asarray(whole.resize(size, Image.Resampling.NEAREST), dtype=bool)


def choose_samples(
    annotations: Annotations, count: int = 24, seed: int = 0
) -> list[AnnotatedImage]:
    """Readable images to look at: some of each class first, the rare classes before the others."""
    images = [image for image in annotations.images if image.size is not None]
    random.Random(seed).shuffle(images)
    by_class: dict[int, list[AnnotatedImage]] = {}
    for image in images:
        labels = {instance.label for instance in image.instances} | set(image.pixels)
        for label in labels | ({image.label} if image.label is not None else set()):
            by_class.setdefault(label, []).append(image)
    chosen: list[AnnotatedImage] = []
    for place in range(count):
        for holders in sorted(by_class.values(), key=len):
            if place < len(holders) and len(chosen) < count:
                if not any(holders[place] is image for image in chosen):
                    chosen.append(holders[place])
    rest = [image for image in images if not any(image is other for other in chosen)]
    return chosen + rest[: max(0, count - len(chosen))]
