"""Annotations of several files as one set."""

from collections.abc import Sequence
from pathlib import Path

from .problems.kinds import problem
from .records import AnnotatedImage, Annotations


def merge(parts: Sequence[Annotations], root: Path) -> Annotations:
    """The images of all parts, with the classes of all by their names.

    An image that several parts have is kept once, from the first: a split is never trained on and
    validated with.
    """
    if len(parts) == 1:
        return parts[0]
    names = [*dict.fromkeys(name for part in parts for name in part.classes)]
    whole = Annotations(parts[0].layout, root, names, [], dict(parts[0].legend))
    images: dict[Path, AnnotatedImage] = {}
    for part in parts:
        labels = [names.index(name) for name in part.classes]
        whole.problems += part.problems
        whole.notes += part.notes
        if part.classes != names:
            missing = ', '.join(sorted({*names} - {*part.classes})) or 'none'
            whole.notes.append(
                f'{part.root} has other classes than the rest ({missing} are missing); they are '
                'taken by name.'
            )
        for image in part.images:
            known = images.setdefault(image.path.resolve(), image)
            if known is not image:
                same = known.split == image.split
                kind = 'image listed twice' if same else 'same image in two splits'
                detail = f'{image.path.name}; the first was kept'
                whole.problems.append(problem(kind, image.source or image.path, '', detail))
                continue
            for instance in image.instances:
                instance.label = labels[instance.label]
            if image.label is not None:
                image.label = labels[image.label]
    whole.images = sorted(images.values(), key=lambda image: image.path)
    return whole
