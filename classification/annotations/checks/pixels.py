"""What only the pixels of images show: damage, and images that are there twice."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from ...engine.errors import DataError
from ...engine.images import check_image
from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import AnnotatedImage, Annotations
from .duplicates import near_duplicates


def check_pixels(annotations: Annotations) -> list[Problem]:
    """Damaged images, and images that are there twice, the same or nearly so; reads every file."""
    images = [image for image in annotations.images if image.size is not None]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        states = pool.map(_digest, [image.path for image in images])
        bar = tqdm(states, 'images', len(images), unit='image', delay=2, leave=False)
        digests = dict(zip([image.path for image in images], bar, strict=True))
    found = [
        problem('unreadable image', path, '', 'its pixels are damaged')
        for path, digest in digests.items()
        if digest is None
    ]
    whole = [image for image in images if digests[image.path] is not None]
    groups: dict[str, list[AnnotatedImage]] = defaultdict(list)
    for image in whole:
        groups[str(digests[image.path])].append(image)
    for group in groups.values():
        found += [_repeated(group[0], image) for image in group[1:]]
    return [*found, *_near(whole, digests)]


def _digest(path: Path) -> str | None:
    """A sum of a file's bytes, None where its pixels cannot be decoded."""
    try:
        check_image(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (DataError, OSError):
        return None


def _repeated(first: AnnotatedImage, second: AnnotatedImage) -> Problem:
    kind = 'same image twice'
    if first.label != second.label:
        kind = 'same image with two labels'
    elif first.split != second.split:
        kind = 'same image in two splits'
    return problem(kind, second.path, '', f'as {first.path}')


def _near(
    images: Sequence[AnnotatedImage], digests: Mapping[Path, str | None]
) -> Iterator[Problem]:
    """Images that are nearly another one, each named once; across splits this matters."""
    named: set[Path] = set()
    for one, other in near_duplicates([image.path for image in images]):
        first, second = images[one], images[other]
        if digests[first.path] == digests[second.path] or second.path in named:
            continue
        named.add(second.path)
        kind = 'nearly the same image twice'
        if first.split != second.split:
            kind = 'nearly the same image in two splits'
        yield problem(kind, second.path, '', f'as {first.path}')
