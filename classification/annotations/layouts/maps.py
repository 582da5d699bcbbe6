"""Images with maps of classes, read with every map checked, and maps of indexes written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ...engine.errors import DataError
from ..files.images import list_images, look_at_images
from ..files.maps import IGNORED, has_colours, look_at_maps, read_map, to_labels
from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import AnnotatedImage, Annotations, MapValue

# What labelling tools append to the name of an image's map.
_ENDINGS = ('_mask', '_label', '_labels', '_seg', '_gt', '-mask', '_labelIds', '_labelTrainIds')


def read_maps(
    images: Path,
    maps: Path,
    classes: Sequence[str] | None = None,
    legend: Mapping[MapValue, int | None] | None = None,
    split: str | None = None,
) -> Annotations:
    """The images of a folder and their maps in another, or in the same one, paired by name.

    A map has its image's path below the folder, with any suffix and an ending such as `_mask`.

    Args:
        images: folder of the images.
        maps: folder of the maps.
        classes: names of the classes; None makes names of the values that are found.
        legend: value or colour -> label, None of what is ignored. Without one the values are the
            labels, and 255 is ignored.
        split: of the images.

    Raises:
        DataError: a folder is missing or holds no images.
    """
    pairs, problems = pair_maps(images, maps)
    return read_pairs(maps, pairs, classes, legend, split, problems)


def pair_maps(images: Path, maps: Path) -> tuple[list[tuple[Path, Path]], list[Problem]]:
    """((image, map) pairs, problems of those without the other)."""
    for folder in (images, maps):
        if not folder.is_dir():
            raise DataError(f'{folder} does not exist: name the folders of the images and maps.')
    map_files = [*list_images(maps), *sorted(maps.rglob('*.[nN][pP][yY]'))]
    image_files = list_images(images)
    if images == maps:
        map_files = [file for file in map_files if file.stem.endswith(_ENDINGS)]
    image_files = [file for file in image_files if file not in set(map_files)]
    if not image_files:
        raise DataError(f'{images} holds no image: name the folder that has them.')
    if not map_files:
        raise DataError(f'{maps} holds no map of classes: name the folder that has them.')
    by_name: dict[str, Path] = {}
    for file in map_files:
        by_name.setdefault(_plain_name(file, maps), file)
    pairs, problems, used = [], [], dict[Path, Path]()
    for image in image_files:
        name = image.relative_to(images).with_suffix('').as_posix()
        found = by_name.get(name) or by_name.get(_plain_name(image, images))
        if found is None:
            problems.append(problem('image without a map', image))
        elif found in used:
            problems.append(problem('two images of one map', found, '', f'{used[found]}, {image}'))
        else:
            used[found] = image
            pairs.append((image, found))
    for file in map_files:
        if file not in used:
            problems.append(problem('map without an image', file))
    return pairs, problems


def _plain_name(file: Path, folder: Path) -> str:
    """The path below a folder without suffix and ending."""
    name = file.relative_to(folder).with_suffix('').as_posix()
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def read_pairs(
    root: Path,
    pairs: Sequence[tuple[Path, Path]],
    classes: Sequence[str] | None = None,
    legend: Mapping[MapValue, int | None] | None = None,
    split: str | None = None,
    problems: Sequence[Problem] = (),
) -> Annotations:
    """Images and their maps that are paired already; arguments as `read_maps`."""
    problems = list(problems)
    files = look_at_images(image for image, _ in pairs)
    seen = look_at_maps([file for _, file in pairs], has_colours(legend))
    if legend is None:
        values = {value for found in seen for value in found.values if isinstance(value, int)}
        labels = range(len(classes)) if classes is not None else sorted(values - {IGNORED})
        legend = {**{value: value for value in labels}, IGNORED: None}
        if classes is None:
            legend = {**{value: label for label, value in enumerate(labels)}, IGNORED: None}
            classes = [f'value {value}' for value in labels]
    elif classes is None:
        count = max((label for label in legend.values() if label is not None), default=-1) + 1
        classes = [f'class {label}' for label in range(count)]
    images = []
    for (path, file), found in zip(pairs, seen, strict=True):
        image = AnnotatedImage(path, files[path].size, map=file, split=split, source=file)
        if unusable := files[path].unusable(path):
            problems.append(unusable)
        problems += found.problems
        if found.size and image.size and found.size != image.size:
            turned = found.size == files[path].stored
            kind = 'labelled before it was turned' if turned else 'map of another size'
            detail = '{}x{}, the image is {}x{}'.format(*found.size, *image.size)
            problems.append(problem(kind, file, '', detail))
        image.pixels, unknown = _count_labels(found.values, legend)
        if unknown:
            text = ', '.join(map(str, sorted(unknown, key=str)[:5]))
            problems.append(problem('map with an unknown colour or value', file, '', text))
        elif found.values and not image.pixels:
            problems.append(problem('map without a class', file))
        images.append(image)
    images.sort(key=lambda image: image.path)
    return Annotations('maps', root, list(classes), images, dict(legend), problems)


def _count_labels(
    values: Mapping[MapValue, int], legend: Mapping[MapValue, int | None]
) -> tuple[dict[int, int], list[MapValue]]:
    """({label: pixels}, values that the legend does not know)."""
    counts: Counter[int] = Counter()
    unknown = []
    for value, pixels in values.items():
        label = legend.get(value)
        if label is not None:
            counts[label] += pixels
        elif value not in legend:
            unknown.append(value)
    return dict(counts), unknown


def write_maps(annotations: Annotations, folder: Path) -> Annotations:
    """Write the map of each image as PNG of class indexes, 255 where pixels are ignored.

    Args:
        annotations: with maps and without fatal problems.
        folder: of the new maps, which have their images' names; where two images share a name a
            number follows it.

    Returns:
        The same annotations with the new maps.

    Raises:
        DataError: there are more classes than a map of bytes can tell apart.
    """
    if len(annotations.classes) > IGNORED:
        raise DataError(
            f'{annotations.root} has {len(annotations.classes)} classes, maps can tell apart '
            f'{IGNORED}: join some.'
        )
    colours = has_colours(annotations.legend)
    folder.mkdir(parents=True, exist_ok=True)
    images, taken = [], set[str]()
    for image in annotations.images:
        if image.map is not None:
            name, number = image.path.stem, 1
            while name in taken:
                number += 1
                name = f'{image.path.stem}.{number}'
            taken.add(name)
            file = folder / f'{name}.png'
            values, _ = read_map(image.map, colours)
            Image.fromarray(to_labels(values, annotations.legend)).save(file)
            image = replace(image, map=file, source=file)
        images.append(image)
    legend: dict[MapValue, int | None] = {label: label for label in range(len(annotations.classes))}
    return replace(annotations, images=images, legend={**legend, IGNORED: None})
