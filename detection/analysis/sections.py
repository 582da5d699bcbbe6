"""A detector's sections of a report, from its truth and its results in COCO's formats."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classification.analysis.confusion import confusion
from classification.visualization.lines import curves
from classification.visualization.page import (
    Cell,
    Html,
    Section,
    bar,
    beside,
    colour_key,
    heading,
    name_of,
    paragraph,
    picture,
    table,
)
from classification.visualization.page_style import BLUE, ORANGE, VERMILLION

from .coco import SIZES, CocoScores, evaluate_coco
from .errors import KINDS, ap_costs, find_errors
from .images import ImageOutcome, confusion_matrix, judge_image
from .marking import draw_errors

_WORST, _BEST = 10, 4
_KIND_NAMES = {'bbox': 'box', 'segm': 'mask'}

# Id of an image -> what reads it, (H, W, 3) uint8, RGB.
Pictures = Mapping[Any, Callable[[], np.ndarray]]


def detection_sections(
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    category_ids: Sequence[int],
    kinds: Sequence[str],
    score_thr: float,
    pictures: Pictures,
) -> list[Section]:
    """Classes, precision and recall, errors, sizes, confusions and pictures.

    Args:
        truth, found, category_ids: see coco.evaluate_coco; boxes are always there.
        kinds: 'bbox', and 'segm' where there are masks.
        score_thr: what is less sure is left out of confusions and pictures.
        pictures: only these images are drawn.
    """
    names = {category['id']: str(category['name']) for category in truth['categories']}
    classes = [names[number] for number in category_ids]
    scores = {kind: evaluate_coco(truth, found, category_ids, kind) for kind in kinds}
    boxes = scores['bbox'].images.values()
    counts = confusion_matrix(boxes, len(classes), score_thr)
    drawn = worst_and_best(scores['bbox'], score_thr, truth, found, classes, pictures)
    return [
        Section('Classes', [class_table(scores, classes)]),
        Section('Precision and recall', precision_recall(scores, classes)),
        Section('What the AP loses', error_table(scores, len(classes), score_thr)),
        Section('Sizes of objects', [size_table(scores)]),
        Section('Confused classes', _confusion(counts, classes, score_thr)),
        Section('Worst and best images', drawn),
    ]


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


def class_table(scores: dict[str, CocoScores], classes: Sequence[str]) -> Html:
    """APs of each class, the worst first."""
    boxes = scores['bbox']
    titles = ['class']
    columns: list[list[Cell]] = [[name_of(name) for name in classes]]
    for kind, one in scores.items():
        name = _KIND_NAMES[kind]
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


def precision_recall(scores: dict[str, CocoScores], classes: Sequence[str]) -> list[Html]:
    """Curves of the mean over the classes, and of the worst classes."""
    recalls = np.linspace(0, 1, 101)
    plots = []
    for kind, one in scores.items():
        known = np.flatnonzero(one.objects[:, 0])
        if not len(known):
            return [paragraph('There are no objects.')]
        mean = one.precision[:, :, known, 0].mean(axis=2)
        lines = {f'IoU {0.5 + 0.05 * t:.2f}': (recalls, mean[t]) for t in (0, 5, 8)}
        name = _KIND_NAMES[kind]
        plots.append(curves(lines, f'Mean over the classes, {name}', 'recall', 'precision', (0, 1)))
        worst = known[np.argsort(one.ap(iou=0.5)[known], kind='stable')][:5]
        if len(known) > 1:
            lines = {classes[k]: (recalls, one.precision[0, :, k, 0]) for k in worst}
            plots.append(
                curves(lines, f'Worst classes at IoU 0.50, {name}', 'recall', 'precision', (0, 1))
            )
    return [beside(plots)]


def error_table(scores: dict[str, CocoScores], classes: int, score_thr: float) -> list[Html]:
    """The kinds of errors with their numbers and costs."""
    costs, text = {}, []
    for kind, one in scores.items():
        images = list(one.images.values())
        ap, costs[kind] = ap_costs(images, [find_errors(image) for image in images], classes)
        if np.isnan(ap):
            return [paragraph('There are no objects.')]
        worst = max(costs[kind], key=costs[kind].__getitem__)
        text.append(
            f'For the {_KIND_NAMES[kind]} AP at IoU 0.5 of {100 * ap:.1f}, the most costly kind is '
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
    titles += [f'{_KIND_NAMES[kind]} AP it costs' for kind in costs] + ['what it is']
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


def size_table(scores: dict[str, CocoScores]) -> Html:
    """AP by the area of the objects."""
    meaning = ('all', 'small: up to 32 × 32', 'medium: up to 96 × 96', 'large')
    rows = []
    for i, (size, text) in enumerate(zip(SIZES, meaning, strict=True)):
        cells = []
        for one in scores.values():
            values = one.ap(size)
            cells.append(bar(*_share(np.nan if np.isnan(values).all() else np.nanmean(values))))
        rows.append([text, *cells, f'{scores["bbox"].objects[:, i].sum():,}'])
    titles = [f'{_KIND_NAMES[kind]} AP' for kind in scores]
    return table(['area in pixels', *titles, 'objects'], rows)


def worst_and_best(
    scores: CocoScores,
    score_thr: float,
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    pictures: Pictures,
) -> list[Html]:
    """Pictures of images, sorted by F1 and then by the number of mistakes."""
    outcomes = {
        image_id: judge_image(image, score_thr)
        for image_id, image in scores.images.items()
        if image_id in pictures
    }
    crowds: dict[Any, list] = {}
    for one in truth.get('annotations', []):
        if one.get('iscrowd'):
            crowds.setdefault(one['image_id'], []).append(one)
    order = sorted(outcomes, key=lambda i: (outcomes[i].quality, -outcomes[i].mistakes))
    worst = [i for i in order if outcomes[i].mistakes][:_WORST]
    # Of images without mistakes those with the most objects say most.
    best = sorted(order, key=lambda i: (-outcomes[i].quality, -len(outcomes[i].lost)))
    best = [i for i in best if i not in worst and outcomes[i].quality][:_BEST]

    files = {one['id']: Path(str(one.get('file_name', one['id']))).name for one in truth['images']}

    def draw(image_id: Any) -> Html:
        outcome = outcomes[image_id]
        drawn = draw_errors(
            pictures[image_id](),
            outcome,
            truth.get('annotations', []),
            found,
            classes,
            crowds.get(image_id, []),
        )
        return picture(drawn, f'{files.get(image_id, image_id)}: {_caption(outcome)}', side=900)

    found_any = any(outcome.kinds for outcome in outcomes.values())
    nothing = [] if found_any else [paragraph('No detection has that score.')]
    content = [
        paragraph(
            f'Left the truth, right the detections with a score of at least {score_thr:g}. '
            'Images are sorted by F1 (twice the right detections, over detections and objects).',
            note=True,
        ),
        *nothing,
        colour_key(
            [
                (BLUE, 'right'),
                (VERMILLION, 'false detection, with its kind'),
                (ORANGE, 'object not found'),
            ]
        ),
    ]
    for title, chosen in (('Worst', worst), ('Best', best)):
        if chosen:
            drawn = [draw(image_id) for image_id in chosen]
            content += [heading(title), beside(drawn, 'pictures')]
    return content


def _caption(outcome: ImageOutcome) -> str:
    objects, mistakes = len(outcome.lost), outcome.mistakes
    return f'F1 {outcome.quality:.2f}, objects: {objects}, mistakes: {mistakes}'
