"""Maps of classes that were saved before, to be explained without the model."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from classification.analysis.runs import NO_LOG, Run
from classification.analysis.saved import check, match_files, name_of_results
from classification.engine.images import IMAGE_SUFFIXES, read_image
from classification.visualization.drawing import Colour, class_colours

from .analyst import MapAnalyst
from .counting import class_iou

_IGNORED = 255


def read_map_results(
    results: Path,
    truth: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    reduce_zero_label: bool = False,
    palette: Sequence[Colour] | None = None,
) -> Run:
    """A folder of PNG maps against another, whose files have the same names.

    The values of all maps are positions in the classes; 255 in the truth is ignored.

    Args:
        results: the `masks` of tools/predict.py, or the folder that they are in.
        truth: folder of the true maps.
        images: folder of the images, with the same names before their suffix, to show them.
        classes: their names; None for the numbers.
        reduce_zero_label: 0 in the truth is no class and 1 the first one, as in ADE20K.
        palette: a colour for each class; None for hues far apart.

    Raises:
        DataError: they cannot be read, or do not belong together.
    """
    folder = results / 'masks' if (results / 'masks').is_dir() else results
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob('*.png')}
    true = {path.relative_to(truth).as_posix(): path for path in sorted(truth.rglob('*.png'))}
    matched = match_files(folder, found, true)
    names = list(true)

    def read_truth(name: str) -> np.ndarray:
        labels = _read_map(true[name])
        if reduce_zero_label:
            labels = np.where((labels == 0) | (labels == _IGNORED), _IGNORED, labels - 1)
        return labels

    if classes is None:
        highest = 0
        for name in names:
            for labels in (read_truth(name), _read_map(matched[name])):
                highest = max(highest, int(labels[labels != _IGNORED].max(initial=0)))
        classes = [str(label) for label in range(highest + 1)]
    colours = list(palette) if palette else class_colours(dict(classes=classes))
    analyst = MapAnalyst(classes, colours, names.__getitem__)
    for name in names:
        wanted, seen = read_truth(name), _read_map(matched[name])
        check(wanted.shape == seen.shape, matched[name], f'has another size than {true[name]}')
        highest = int(seen.max(initial=0))
        check(highest < len(classes), matched[name], f'has the class {highest}, beyond the last')
        analyst.add_maps(wanted, seen)
    iou = class_iou(analyst.counts)
    metrics = {'mIoU': 100 * float(np.nanmean(iou)) if not np.isnan(iou).all() else float('nan')}
    picture = partial(_read, images, names) if images else None
    return Run(name_of_results(folder), analyst, picture, metrics, NO_LOG)


def _read_map(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        labels = np.asarray(image).astype(np.int64)
    check(labels.ndim == 2, path, 'is a picture in colours, no map of classes')
    return labels


def _read(images: Path, names: Sequence[str], index: int) -> np.ndarray:
    path = images / names[index]
    candidates = [path.with_suffix(suffix) for suffix in IMAGE_SUFFIXES]
    return read_image(next((one for one in candidates if one.exists()), path))
