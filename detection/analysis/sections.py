"""A detector's sections of a report, from its truth and its results in COCO's formats."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classification.analysis.bootstrap import mean_known
from classification.analysis.calibration import calibration_report
from classification.analysis.confusion import confusion
from classification.visualization.lines import curves
from classification.visualization.page import (
    Cell,
    Html,
    Section,
    bar,
    beside,
    name_of,
    paragraph,
    table,
)

from .boundary import mean_overlaps
from .calibrating import calibrate
from .coco import SIZES, CocoScores
from .errors import KINDS, ap_costs, find_errors
from .images import confusion_matrix, judge_image
from .pictures import ImagePictures, Pictures
from .resampling import resampled_ap

KIND_NAMES = {'bbox': 'box', 'segm': 'mask'}


def detection_sections(
    scores: Mapping[str, CocoScores],
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    score_thr: float,
    pictures: Pictures,
) -> list[Section]:
    """Classes, precision and recall, errors, sizes, numbers, boundaries, confusions and pictures.

    Args:
        scores: 'bbox', and 'segm' where there are masks -> their evaluation.
        truth, found: what was evaluated, see coco.evaluate_coco.
        classes: their names.
        score_thr: what is less sure is left out of confusions and pictures.
        pictures: only these images are drawn.
    """
    boxes = scores['bbox'].images.values()
    counts = confusion_matrix(boxes, len(classes), score_thr)
    shown = ImagePictures(scores['bbox'], score_thr, truth, found, classes, pictures)
    content = {
        'Classes': [class_table(scores, classes)],
        'Precision and recall': precision_recall(scores, classes),
        'What the AP loses': error_table(scores, len(classes), score_thr),
        'Sizes of objects': [size_table(scores)],
        'Numbers of objects': number_table(scores),
        'Boundaries of masks': boundary_table(scores, truth, found, classes),
        'Confused classes': _confusion(counts, classes, score_thr),
        'Calibration': calibration_report(
            calibrate(scores['bbox']), 'boxes', 'the box found an object of its class at IoU 0.5'
        ),
        'Worst and best images': shown.worst_and_best() if pictures else [],
        'Most confused images': shown.most_confused() if pictures else [],
    }
    return [Section(title, parts) for title, parts in content.items() if parts]


def _confusion(counts: np.ndarray, classes: Sequence[str], score_thr: float) -> list[Html]:
    note = (
        f'Boxes with a score of at least {score_thr:g} and an IoU of at least 0.5. The last row '
        'counts detections for which no object was left: in the background, or on one that a '
        'better detection has taken. The last column counts objects that were not found.'
    )
    return [
        paragraph(note, note=True),
        *confusion(counts, classes, 'objects', background=True),
    ]


def class_table(scores: Mapping[str, CocoScores], classes: Sequence[str]) -> Html:
    """APs of each class, the worst first."""
    boxes = scores['bbox']
    titles = ['class']
    columns: list[list[Cell]] = [[name_of(name) for name in classes]]
    for kind, one in scores.items():
        name = KIND_NAMES[kind]
        titles += [f'{name} AP', f'{name} AP at IoU 0.5']
        columns.append([bar(*_share(value)) for value in one.ap()])
        columns.append([_share(value)[1] for value in one.ap(iou=0.5)])
    titles.append('objects')
    columns.append([f'{count:,}' for count in boxes.objects[:, 0]])
    order = np.lexsort((-boxes.objects[:, 0], np.nan_to_num(boxes.ap(), nan=2)))
    return table(titles, [[column[k] for column in columns] for k in order])


def _share(value: float) -> tuple[float | None, str]:
    """A share from 0 to 1 for a bar, and as text times 100."""
    return (None, '–') if np.isnan(value) else (float(value), f'{100 * value:.1f}')


def precision_recall(scores: Mapping[str, CocoScores], classes: Sequence[str]) -> list[Html]:
    """Curves of the mean over the classes, and of the worst classes."""
    recalls = np.linspace(0, 1, 101)
    plots = []
    for kind, one in scores.items():
        known = np.flatnonzero(one.objects[:, 0])
        if not len(known):
            return [paragraph('There are no objects.')]
        mean = one.precision[:, :, known, 0].mean(axis=2)
        lines = {f'IoU {0.5 + 0.05 * t:.2f}': (recalls, mean[t]) for t in (0, 5, 8)}
        name = KIND_NAMES[kind]
        plots.append(curves(lines, f'Mean over the classes, {name}', 'recall', 'precision', (0, 1)))
        worst = known[np.argsort(one.ap(iou=0.5)[known], kind='stable')][:5]
        if len(known) > 1:
            lines = {classes[k]: (recalls, one.precision[0, :, k, 0]) for k in worst}
            plots.append(
                curves(lines, f'Worst classes at IoU 0.50, {name}', 'recall', 'precision', (0, 1))
            )
    return [beside(plots)]


def error_table(scores: Mapping[str, CocoScores], classes: int, score_thr: float) -> list[Html]:
    """The kinds of errors with their numbers and costs."""
    costs, text = {}, []
    for kind, one in scores.items():
        images = list(one.images.values())
        ap, costs[kind] = ap_costs(images, [find_errors(image) for image in images], classes)
        if np.isnan(ap):
            return [paragraph('There are no objects.')]
        worst = max(costs[kind], key=costs[kind].__getitem__)
        text.append(
            f'For the {KIND_NAMES[kind]} AP at IoU 0.5 of {100 * ap:.1f}, the most costly kind is '
            f'{worst}: without it, it would be {100 * (ap + costs[kind][worst]):.1f}.'
        )
    largest = max(max(one.values()) for one in costs.values()) or 1
    outcomes = [judge_image(image, score_thr) for image in scores['bbox'].images.values()]
    numbers = {kind: sum(one.kinds.count(kind) for one in outcomes) for kind in KINDS}
    numbers['missed'] = sum(one.missed for one in outcomes)
    rows = [
        [
            kind,
            f'{numbers[kind]:,}',
            *(bar(costs[k][kind] / largest, f'{100 * costs[k][kind]:.1f}') for k in costs),
            what,
        ]
        for kind, what in KINDS.items()
    ]
    titles = ['kind', f'boxes from score {score_thr:g}']
    titles += [f'{KIND_NAMES[kind]} AP it costs' for kind in costs] + ['what it is']
    note = (
        'Kinds and costs as in TIDE (Bolya et al., ECCV 2020): the AP at IoU 0.5 that repairing '
        'this kind alone would bring, times 100, over all detections. Costs do not add up to '
        'what is missing to 100.'
    )
    return [
        paragraph(' '.join(text)),
        table(titles, rows, text=(len(titles) - 1,)),
        paragraph(note, note=True),
    ]


def size_table(scores: Mapping[str, CocoScores]) -> Html:
    """AP by the area of the objects."""
    meaning = ('all', 'small: up to 32 × 32', 'medium: up to 96 × 96', 'large')
    rows = []
    for i, (size, text) in enumerate(zip(SIZES, meaning, strict=True)):
        cells = []
        for one in scores.values():
            values = one.ap(size)
            cells.append(bar(*_share(np.nan if np.isnan(values).all() else np.nanmean(values))))
        rows.append([text, *cells, f'{scores["bbox"].objects[:, i].sum():,}'])
    titles = [f'{KIND_NAMES[kind]} AP' for kind in scores]
    return table(['area in pixels', *titles, 'objects'], rows)


def number_table(scores: Mapping[str, CocoScores]) -> list[Html]:
    """AP by the number of objects in an image: thirds of the images, by their number."""
    numbers = np.sum([one.objects for one in scores['bbox'].classes], axis=0)
    ends = np.unique(np.quantile(numbers, [1 / 3, 2 / 3, 1], method='inverted_cdf'))
    if len(ends) == 1:
        return [paragraph(f'All images have {ends[0]} objects.', note=True)]
    groups = np.searchsorted(ends, numbers)
    chosen = (groups[:, None] == np.arange(len(ends))).astype(int)
    values = [mean_known(resampled_ap(one.classes, chosen)) for one in scores.values()]
    rows = []
    for i, name in enumerate(['few', 'some', 'many'] if len(ends) == 3 else ['few', 'many']):
        inside = numbers[groups == i]
        low, high = inside.min(), inside.max()
        text = f'{name}: {low}' if low == high else f'{name}: {low} to {high}'
        cells = [bar(*_share(value[i])) for value in values]
        rows.append([text, *cells, f'{len(inside):,}', f'{inside.sum():,}'])
    titles = [f'{KIND_NAMES[kind]} AP' for kind in scores]
    return [table(['objects in the image', *titles, 'images', 'objects'], rows)]


def boundary_table(
    scores: Mapping[str, CocoScores],
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
) -> list[Html]:
    """How well the masks fit that found an object; nothing of boxes alone."""
    if 'segm' not in scores:
        return []
    overlaps = mean_overlaps(scores['segm'], truth, found)
    if not overlaps.objects.any():
        return [paragraph('No mask found an object.')]
    rows = [
        [
            name_of(classes[k]),
            bar(*_share(overlaps.mask[k])),
            bar(*_share(overlaps.boundary[k])),
            f'{overlaps.objects[k]:,}',
        ]
        for k in np.argsort(np.nan_to_num(overlaps.boundary, nan=2), kind='stable')
    ]
    note = (
        'Of the masks that found an object at IoU 0.5. Boundary IoU (Cheng et al., CVPR 2021) '
        'compares only the pixels of both masks that are within 2 % of the diagonal of the image '
        'from their outlines: the IoU of a large mask hides a rough outline, this does not.'
    )
    mean = (
        f'Mean over the classes: mask IoU {100 * np.nanmean(overlaps.mask):.1f}, '
        f'boundary IoU {100 * np.nanmean(overlaps.boundary):.1f}.'
    )
    return [
        paragraph(mean),
        table(['class', 'mean mask IoU, %', 'mean boundary IoU, %', 'objects found'], rows),
        paragraph(note, note=True),
    ]
