"""Objects in an image: boxes, classes, scores and masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..visualization.colours import instance_colours
from ..visualization.drawing import Canvas, Label, draw_labels, line_width
from .result import Result
from .rle import encode_rle


@dataclass
class Mask:
    """The pixels of an object, kept without the empty image around them.

    Attributes:
        part: (h, w) bool.
        corner: (x, y) of the part in the image.
    """

    part: np.ndarray
    corner: tuple[int, int]

    @classmethod
    def of(cls, pixels: np.ndarray, corner: tuple[int, int] = (0, 0)) -> 'Mask':
        """Pixels (H, W) of an image, or of a part of it that begins at `corner`."""
        pixels = np.asarray(pixels, dtype=bool)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        if not rows.size:
            return cls(pixels[:0, :0], corner)
        # One pixel more on each side, so that an outline knows what is around.
        top, left = max(0, rows[0] - 1), max(0, columns[0] - 1)
        part = pixels[top : rows[-1] + 2, left : columns[-1] + 2].copy()
        return cls(part, (corner[0] + int(left), corner[1] + int(top)))

    def whole(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) bool, in an image of that size."""
        (x, y), pixels = self.corner, np.zeros(size, bool)
        pixels[y : y + self.part.shape[0], x : x + self.part.shape[1]] = self.part
        return pixels


@dataclass
class Instances(Result):
    """What a detector found, the order being the model's.

    Attributes:
        boxes: (N, 4) float, x1, y1, x2, y2 in pixels of `image`.
        labels: (N,) positions in `names`.
        scores: (N,), or None of annotations.
        cut_masks: N masks, or None of a model without.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None
    cut_masks: Sequence[Mask] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def masks(self) -> np.ndarray | None:
        """(N, H, W) bool, made anew each time; None of a model without."""
        if self.cut_masks is None:
            return None
        size = self.image.shape[:2]
        whole = [mask.whole(size) for mask in self.cut_masks]
        return np.stack(whole) if whole else np.zeros((0, *size), bool)

    def above(self, score_thr: float) -> 'Instances':
        """Those with at least this score."""
        return self if self.scores is None else self.select(self.scores >= score_thr)

    def select(self, which: np.ndarray) -> 'Instances':
        """Those that an index array or a mask (N,) names, in its order."""
        order = np.arange(len(self))[which]
        return Instances(
            self.image,
            self.names,
            self.palette,
            self.boxes[order],
            self.labels[order],
            None if self.scores is None else self.scores[order],
            None if self.cut_masks is None else [self.cut_masks[i] for i in order],
        )

    def counts(self) -> dict[str, int]:
        """Name of each class -> number of its instances; those without are left out."""
        labels, counts = np.unique(self.labels, return_counts=True)
        return {self.names[i]: int(n) for i, n in zip(labels, counts, strict=True)}

    def to_coco(self, image_id: int = 1, first_id: int = 1) -> list[dict[str, Any]]:
        """As annotations in COCO's format; category ids are positions in `names`, from 1."""
        annotations, size = [], self.image.shape[:2]
        for i in range(len(self)):
            x1, y1, x2, y2 = map(float, self.boxes[i])
            annotation: dict[str, Any] = {
                'id': first_id + i,
                'image_id': image_id,
                'category_id': int(self.labels[i]) + 1,
                'bbox': [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)],
                'area': round((x2 - x1) * (y2 - y1), 2),
                'iscrowd': 0,
            }
            if self.scores is not None:
                annotation['score'] = round(float(self.scores[i]), 5)
            if self.cut_masks is not None:
                mask = self.cut_masks[i]
                annotation['area'] = int(mask.part.sum())
                annotation['segmentation'] = encode_rle(mask.part, mask.corner, size)
            annotations.append(annotation)
        return annotations

    def is_bare(self, score_thr: float) -> bool:
        return not len(self.above(score_thr))

    def draw(self, score_thr: float = 0.3) -> Image.Image:
        """Masks, outlined, then boxes, then names with scores, the surest on top.

        The colours are those of `colours.instance_colours`.
        """
        shown = self.above(score_thr)
        order = list(range(len(shown)))
        if shown.scores is not None:
            order = np.argsort(shown.scores, kind='stable').tolist()
        colours = instance_colours(shown.labels, shown.boxes, self.palette)
        canvas = Canvas(self.image)
        if shown.cut_masks is not None:
            for i in order:
                mask = shown.cut_masks[i]
                canvas.paint(mask.part, colours[i], mask.corner)
        picture, scale = canvas.to_picture(), canvas.scale
        draw = ImageDraw.Draw(picture)
        labels = []
        for i in order:
            box = [round(float(side) * scale) for side in shown.boxes[i]]
            box[2:] = max(box[0], box[2] - 1), max(box[1], box[3] - 1)
            draw.rectangle(box, outline=colours[i], width=line_width(picture))
            text = self.names[shown.labels[i]]
            if shown.scores is not None:
                text += f' {shown.scores[i]:.2f}'
            labels.append(Label(box, text, colours[i]))
        draw_labels(picture, labels[::-1])
        return picture
