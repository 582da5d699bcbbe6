"""Checks of annotated images as a whole, whatever layout they were read from."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..files.images import ImageFile, list_images, look_at_images
from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import Annotations


def check(annotations: Annotations) -> list[Problem]:
    """All that is wrong with annotated images: what reading found, and what the whole shows.

    Only the headers of image files are read; `pixels.check_pixels` looks at the rest.
    """
    files = look_at_images(image.path for image in annotations.images)
    found = [*annotations.problems, *_unread_images(annotations, files)]
    for file in files.values():
        found += file.oddities()
    found += _examples(annotations)
    found += _masks(annotations)
    found += _names(annotations)
    if annotations.layout != 'folders':
        found += _unlisted(annotations)
    return list(dict.fromkeys(found))


def _unread_images(annotations: Annotations, files: dict[Path, ImageFile]) -> list[Problem]:
    """Images that cannot be read and that reading did not name."""
    named = {p.kind for p in annotations.problems} & {'missing image', 'unreadable image'}
    unusable = [file.unusable(path) for path, file in files.items()]
    return [] if named else [p for p in unusable if p is not None]


def _examples(annotations: Annotations) -> list[Problem]:
    """Splits and classes without anything to learn."""
    root, found = annotations.root, []
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for image in annotations.images:
        counts[image.split or 'train'].update(image.examples if image.size else ())
        if annotations.has_objects and not image.instances:
            found.append(problem('image without objects', image.path))
    training = counts['train'] if 'train' in counts or not counts else None
    for name, labels in counts.items():
        if not labels and name != 'test':
            found.append(problem('nothing to train on', root, '', f'split {name}'))
    if not counts:
        found.append(problem('nothing to train on', root))
    if not training:
        return found
    validated = set(counts['val'] if 'val' in counts else ())
    for label, name in enumerate(annotations.classes):
        if label in validated and label not in training:
            found.append(problem('class of validation without training examples', root, '', name))
        elif label not in training:
            found.append(problem('class without an example', root, '', name))
    if annotations.has_maps and len(training) == 1 < len(annotations.classes):
        name = annotations.classes[next(iter(training))]
        found.append(problem('maps of one class alone', root, '', name))
    return found


def _masks(annotations: Annotations) -> list[Problem]:
    instances = [(image, instance) for image in annotations.images for instance in image.instances]
    if annotations.has_masks or not any(instance.has_mask for _, instance in instances):
        return []
    return [
        problem(
            'object without a mask among objects with one',
            image.source or image.path,
            instance.record,
        )
        for image, instance in instances
        if not instance.has_mask
    ]


def _names(annotations: Annotations) -> list[Problem]:
    """Classes that are probably one, written in two ways."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in annotations.classes:
        by_name[''.join(c for c in name.lower() if c.isalnum()) or name].append(name)
    return [
        problem(
            'class names that differ in case or spaces alone',
            annotations.root,
            '',
            ', '.join(names),
        )
        for names in by_name.values()
        if len(names) > 1
    ]


def _unlisted(annotations: Annotations) -> list[Problem]:
    """Images that lie beside the annotated ones, without a record of their own."""
    listed = {image.path for image in annotations.images}
    listed |= {image.map for image in annotations.images if image.map is not None}
    named = {p.file for p in annotations.problems}
    return [
        problem('image without a record', path)
        for path in _beside(listed)
        if path not in listed and path not in named
    ]


def _beside(paths: Iterable[Path]) -> list[Path]:
    """The images in the folders of files, but not in folders below them."""
    folders = sorted({path.parent for path in paths})
    return [
        path for folder in folders if folder.is_dir() for path in list_images(folder, deep=False)
    ]
