"""Numbers that describe a set of annotated images."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from ..records import Annotations

# Sides in pixels of the square with the area of COCO's small and medium objects.
SMALL, MEDIUM = 32, 96
# Upper bounds of an object's share of its image's area.
SHARES = (0.001, 0.01, 0.1, 1.0)


@dataclass
class Summary:
    """Counts of a set.

    Attributes:
        what: what `examples` counts: 'objects', 'pixels' or 'images'.
        images: split -> number of images; '' where there are no splits.
        empty: split -> images without objects.
        examples: class -> split -> number of its objects (pixels, images).
        holders: class -> number of images that have it.
        crowds: objects that stand for many.
        masks: objects with a mask.
        sizes: 'small', 'medium', 'large' -> objects.
        shares: for each of SHARES the objects of at most this share of their image, and over the
            one before.
        sides: (least, median, greatest) of the images' widths, and of their heights.
    """

    what: str
    images: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    holders: Counter[str] = field(default_factory=Counter)
    crowds: int = 0
    masks: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    shares: list[int] = field(default_factory=lambda: [0] * len(SHARES))
    sides: list[tuple[int, float, int]] = field(default_factory=list)

    @property
    def splits(self) -> list[str]:
        """In the order train, val, test."""
        order = {name: place for place, name in enumerate(('train', 'val', 'test'))}
        return sorted(self.images, key=lambda name: (order.get(name, 3), name))


def summarise(annotations: Annotations) -> Summary:
    """Count what is there."""
    what = 'pixels' if annotations.has_maps else 'images' if annotations.has_labels else 'objects'
    summary = Summary(what)
    for name in annotations.classes:
        summary.examples[name] = Counter()
    for image in annotations.images:
        split = image.split or ''
        summary.images[split] += 1
        if not image.instances:
            summary.empty[split] += 1
        for label, count in image.pixels.items():
            summary.examples[annotations.classes[label]][split] += count
        if not image.pixels:
            for label in image.examples:
                summary.examples[annotations.classes[label]][split] += 1
        summary.holders.update(annotations.classes[label] for label in set(image.examples))
        for instance in image.instances:
            summary.crowds += instance.crowd
            summary.masks += instance.has_mask
            if not instance.crowd:
                _count_size(summary, instance.box, image.size)
    sizes = [image.size for image in annotations.images if image.size]
    summary.sides = [_spread(side) for side in zip(*sizes, strict=True)]
    return summary


def _count_size(summary: Summary, box: Sequence[float], size: tuple[int, int] | None) -> None:
    area = (box[2] - box[0]) * (box[3] - box[1])
    name = 'small' if area < SMALL**2 else 'medium' if area < MEDIUM**2 else 'large'
    summary.sizes[name] += 1
    if size:
        share = area / (size[0] * size[1])
        place = next((i for i, bound in enumerate(SHARES) if share <= bound), len(SHARES) - 1)
        summary.shares[place] += 1


def _spread(values: Sequence[int]) -> tuple[int, float, int]:
    return min(values), median(values), max(values)


def share_names() -> list[str]:
    """What the parts of `Summary.shares` are called, in per cent of the image."""
    lower = [0.0, *SHARES[:-1]]
    return [f'{100 * a:g} to {100 * b:g} %' for a, b in zip(lower, SHARES, strict=True)]
