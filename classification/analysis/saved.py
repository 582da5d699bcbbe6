"""Results that were saved before, to be explained without the model: a classifier's.

A file of results has the files of its images as they were given to tools/predict.py; they are told
by the end of their paths.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TypeVar

from ..annotations.files.images import list_images
from ..annotations.files.parsing import read_json
from ..engine.errors import DataError, shorten_list
from ..engine.images import read_image
from .classes import ClassAnalyst
from .runs import NO_LOG, Run

Value = TypeVar('Value')


def read_class_results(results: Path, truth: Path) -> Run:
    """A classifier's results against a folder with a folder of images for each class.

    Args:
        results: results.json of tools/predict.py, with the five best classes of each image.
        truth: the folders have the names of the classes.

    Raises:
        DataError: they cannot be read, or do not belong together.
    """
    files = sorted(list_images(truth))
    classes = sorted({path.relative_to(truth).parts[0] for path in files})
    labels = {name: label for label, name in enumerate(classes)}
    content = read_json(results)
    listed = isinstance(content, list) and all(isinstance(one, dict) for one in content)
    check(listed, results, 'is no list of images, as tools/predict.py writes it for a classifier')
    usable = all({'file_name', 'best'} <= one.keys() and one['best'] for one in content)
    check(usable, results, 'has images without file_name or best')
    named = {one['file_name']: one['best'] for one in content}
    paths = {path.relative_to(truth).as_posix(): path for path in files}
    found = match_files(results, named, paths)
    analyst = ClassAnalyst(classes, lambda i: str(files[i]))
    for name in paths:
        scores = {one['class']: float(one['score']) for one in found[name]}
        unknown = scores.keys() - labels.keys()
        check(not unknown, results, f'has the class {min(unknown, default="")}, {truth} has not')
        best, own = max(scores, key=scores.__getitem__), PurePath(name).parts[0]
        analyst.add_image(labels[own], labels[best], scores[best], scores.get(own, 0.0))
    right = sum(a == b for a, b in zip(analyst.truth, analyst.best, strict=True))
    return Run(
        name_of_results(results),
        analyst,
        lambda i: read_image(files[i]),
        {'accuracy/top1': 100 * right / len(files)},
        NO_LOG,
    )


def match_files(
    results: Path, found: Mapping[str, Value], wanted: Iterable[str]
) -> dict[str, Value]:
    """What was found for each wanted file, whose path ends as the one that was given.

    Args:
        results: where `found` is from.
        found: path of an image -> what was found in it.
        wanted: paths in the folder of the truth.

    Raises:
        DataError: nothing was found for one of them.
    """
    by_ending: dict[str, Value] = {}
    for path, value in found.items():
        parts = PurePath(path).parts
        for start in range(len(parts)):
            by_ending[PurePath(*parts[start:]).as_posix()] = value
    wanted = list(wanted)
    missing = [name for name in wanted if PurePath(name).as_posix() not in by_ending]
    check(
        bool(wanted) and not missing,
        results,
        f'lacks {len(missing)} of the {len(wanted)} images of the truth ({shorten_list(missing)})',
    )
    return {name: by_ending[PurePath(name).as_posix()] for name in wanted}


def check(right: bool, results: Path, what: str) -> None:
    """Raise DataError of a file of results unless all is right."""
    if not right:
        raise DataError(f'{results} {what}: give results and truth of the same images.')


def name_of_results(path: Path) -> str:
    """Of a run: the folder's name of a file with a usual name, else the file's."""
    path = path.resolve()
    return path.parent.name if path.stem in ('results', 'masks') else path.stem
