"""Divides images into those to train on and those to validate with, the same way each time.

Images of one source, or nearly the same, stay together: divided, they would be known from training.
"""

import random
import re
from collections import Counter, defaultdict
from pathlib import Path

from ..engine.errors import UsageError, shorten_list
from .checks.duplicates import groups, near_duplicates
from .files.tree import relative
from .records import AnnotatedImage, Annotations

VAL_SHARE = 0.2
# Images that must stay together may be this share of all; else little is left to divide.
MOST_TOGETHER = 0.75
# Roboflow's copies of an image: NAME_jpg.rf.HASH.jpg.
_COPY = re.compile(
    r'^(?P<source>.+)_(?:jpe?g|png|bmp|tiff?|webp)\.rf\.[0-9a-zA-Z]+$', re.IGNORECASE
)
# Frames of a film: clip_mp4-12, clip_frame_000012, frame12. Numbers alone are not taken for frames:
# cameras number what they take.
_FRAME = re.compile(
    r'^(?P<source>.*?(?:frame|_mp4|_avi|_mov|_mkv|\.mp4|\.avi|\.mov|\.mkv))[-_. ]*\d+$',
    re.IGNORECASE,
)


def source_of(path: Path, root: Path) -> str:
    """What an image was made of, as its file name says: itself, or another image or a film."""
    name = path.stem
    while match := _COPY.match(name) or _FRAME.match(name):
        name = match['source']
    if name == path.stem:
        return str(path)
    # Copies of an image may lie in different folders; films of one bare name, 'frame', do not.
    bare = re.fullmatch(r'\W*frame\W*', name, re.IGNORECASE)
    return f'{relative(path, root).parent}/{name}' if bare else name


def split_images(annotations: Annotations, seed: int = 0) -> None:
    """Give each image a split where it has none, and add sentences on it to `annotations.notes`.

    A split that is given is kept. Where there are images to train on and none to validate with,
    a part of the former is taken, of VAL_SHARE of the images and of each class as far as possible.

    Raises:
        UsageError: there are too few images.
    """
    given = Counter(image.split for image in annotations.images)
    if given['train'] and given['val']:
        _say_given(annotations, given)
        return
    if given['val'] or (given['test'] and not given['train'] and not given[None]):
        raise UsageError(
            f'{annotations.root} has images to validate or test with ({given["val"]}, '
            f'{given["test"]}) and none to train on: add a folder `train`.'
        )
    if given['train'] and given[None]:
        _say_given(annotations, given)
    free = 'train' if given['train'] else None
    images = [image for image in annotations.images if image.split == free]
    if len(images) < 2:
        raise UsageError(
            f'{annotations.root} has {len(images)} images to divide into training and validation: '
            'two are the least.'
        )
    if given['test']:
        annotations.notes.append(
            f'There is a test set ({given["test"]} images) and no validation set: a part of the '
            'training images becomes one, the test set is kept for the end.'
        )
    parts = _groups(images, annotations)
    chosen = _choose(parts, seed, max(1, round(VAL_SHARE * len(images))))
    for index, part in enumerate(parts):
        for image in part:
            image.split = 'val' if index in chosen else 'train'
    _say_made(annotations, parts, chosen, seed)


def _say_given(annotations: Annotations, given: Counter) -> None:
    counts = ', '.join(f'{given[name]} {name}' for name in ('train', 'val', 'test') if given[name])
    annotations.notes.append(f'The split that is given is kept: {counts}.')
    if given[None]:
        annotations.notes.append(f'{given[None]} images belong to no split, and are not used.')


def _groups(images: list[AnnotatedImage], annotations: Annotations) -> list[list[AnnotatedImage]]:
    """The images that must stay together, in the order of their first ones."""
    by_source: dict[str, int] = {}
    sources = [
        (by_source.setdefault(source_of(image.path, annotations.root), index), index)
        for index, image in enumerate(images)
    ]
    near = near_duplicates([image.path for image in images])
    firsts = groups(len(images), sources + near)
    for pairs, kind in ((near, 'of one source by their names'), ([], 'nearly the same')):
        if max(Counter(firsts).values()) > MOST_TOGETHER * len(images):
            firsts = groups(len(images), pairs)
            annotations.notes.append(
                f'Too many images are {kind} to keep them together: they are divided nevertheless, '
                'and the validation says little about other images.'
            )
    parts = defaultdict(list)
    for first, image in zip(firsts, images, strict=True):
        parts[first].append(image)
    return [*parts.values()]


def _labels(part: list[AnnotatedImage]) -> Counter[int]:
    """How many images of a group show each class."""
    return Counter(label for image in part for label in image.labels)


def _choose(parts: list[list[AnnotatedImage]], seed: int, wanted: int) -> set[int]:
    """Positions of the groups to validate with.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011): the class of which
    fewest groups are left is divided first, and what a group brings of other classes counts.
    """
    chance = random.Random(seed)
    order = chance.sample(range(len(parts)), len(parts))
    labels = [_labels(part) for part in parts]
    groups_with = Counter(label for counts in labels for label in counts)
    total: Counter[int] = sum(labels, Counter())
    need = {label: VAL_SHARE * count for label, count in total.items()}
    chosen, decided, size = set[int](), set[int](), 0
    for label in sorted(groups_with, key=lambda label: (groups_with[label], label)):
        having = [index for index in order if label in labels[index] and index not in decided]
        # The last group of a class is for training: what was never seen cannot be validated.
        in_training = any(label in labels[index] for index in decided - chosen)
        for index in having:
            rest = len(having) - having.index(index)
            takes = need[label] >= 0.5 * labels[index][label] and size + len(parts[index]) <= wanted
            if takes and (rest > 1 or in_training):
                chosen.add(index)
                size += len(parts[index])
                for other, count in labels[index].items():
                    need[other] -= count
            else:
                in_training = True
            decided.add(index)
    for index in order:  # those without objects, and what is missing
        left = len(parts) - len(chosen)
        fits = size + len(parts[index]) <= wanted
        if index not in chosen and left > 1 and (fits and not labels[index] or not chosen):
            chosen.add(index)
            size += len(parts[index])
    return chosen


def _say_made(
    annotations: Annotations, parts: list[list[AnnotatedImage]], chosen: set[int], seed: int
) -> None:
    images = sum(len(part) for part in parts)
    validated = sum(len(parts[index]) for index in chosen)
    grouped = sum(len(part) for part in parts if len(part) > 1)
    together = f'; {grouped} of one source or nearly the same stay together' if grouped else ''
    annotations.notes.append(
        f'Divided at random (seed {seed}) into {images - validated} images to train on and '
        f'{validated} to validate with{together}.'
    )
    seen: dict[bool, set[int]] = {True: set(), False: set()}
    for index, part in enumerate(parts):
        seen[index in chosen].update(_labels(part))
    names = annotations.classes
    for labels, where in (
        (seen[False] - seen[True], 'trained on and not validated'),
        (seen[True] - seen[False], 'validated and not trained on'),
    ):
        if labels:
            listed = shorten_list([names[label] for label in sorted(labels)], 10)
            annotations.notes.append(f'Too few images show these classes: {listed}: {where}.')
