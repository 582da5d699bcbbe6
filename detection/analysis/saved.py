"""Detections that were saved before, to be explained without the model."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from classification.analysis.runs import NO_LOG, Run
from classification.analysis.saved import check, match_files, name_of_results
from classification.annotations.files.parsing import read_json
from classification.engine.images import read_image

from .coco_analysis import CocoAnalysis


def read_detections(
    results: Path, truth: Path, images: Path | None = None, score_thr: float = 0.3
) -> Run:
    """Detections against an annotation file in COCO's format.

    Args:
        results: results.json of tools/predict.py, or a list in COCO's results format, with the
            truth's ids of images and categories, as CocoMetric writes it with `outfile_prefix`.
        truth: annotation file.
        images: folder of the images, to show them.
        score_thr: what is less sure is left out of confusions and pictures.

    Raises:
        DataError: they cannot be read, or do not belong together.
    """
    annotations, content = read_json(truth), read_json(results)
    keys = {'images', 'categories'}
    check(isinstance(annotations, dict) and keys <= annotations.keys(), truth, 'is not of COCO')
    if isinstance(content, dict):
        check(keys | {'annotations'} <= content.keys(), results, 'is not of COCO')
        found = _with_ids_of(annotations, content, results)
    else:
        found = content
    needed = {'image_id', 'category_id', 'bbox', 'score'}
    usable = all(isinstance(one, dict) and needed <= one.keys() for one in found)
    check(usable, results, f'has detections without {", ".join(sorted(needed))}')
    image_ids = [one['id'] for one in annotations['images']]
    known = {one['image_id'] for one in found} <= set(image_ids)
    check(known, results, f'has ids of images that {truth} has not')
    # Masks are scored where both have some.
    both = bool(found) and all(
        'segmentation' in one for one in [*found, *annotations.get('annotations', [])]
    )
    kinds = ['bbox', 'segm'] if both else ['bbox']
    category_ids = [one['id'] for one in annotations['categories']]
    analysis = CocoAnalysis(annotations, found, category_ids, kinds, score_thr, image_ids)
    files = analysis.names()
    picture = partial(_read, images, files) if images else None
    return Run(name_of_results(results), analysis, picture, _metrics(analysis), NO_LOG)


def _read(images: Path, files: Sequence[str], index: int) -> np.ndarray:
    return read_image(images / files[index])


def _with_ids_of(
    truth: Mapping[str, Any], content: Mapping[str, Any], results: Path
) -> list[dict[str, Any]]:
    """Detections of a file with its own ids, told by the names of images and classes."""
    numbers = {one['file_name']: one['id'] for one in truth['images']}
    own = match_files(results, {one['file_name']: one['id'] for one in content['images']}, numbers)
    images = {own[name]: number for name, number in numbers.items()}
    numbers = {one['name']: one['id'] for one in truth['categories']}
    names = {one['id']: one['name'] for one in content['categories']}
    unknown = [name for name in names.values() if name not in numbers]
    check(not unknown, results, f'has the class {min(unknown, default="")}, the truth has not')
    return [
        dict(one, image_id=images[one['image_id']], category_id=numbers[names[one['category_id']]])
        for one in content['annotations']
        if one['image_id'] in images
    ]


def _metrics(analysis: CocoAnalysis) -> dict[str, float]:
    """As CocoMetric names them; -1 where there is nothing to find."""
    metrics = {}
    for kind, scores in analysis.scores.items():
        for name, values in (('mAP', scores.ap()), ('mAP_50', scores.ap(iou=0.5))):
            known = values[~np.isnan(values)]
            metrics[f'coco/{kind}_{name}'] = float(known.mean()) if len(known) else -1.0
    return metrics
