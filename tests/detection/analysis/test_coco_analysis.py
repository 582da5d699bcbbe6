"""The analysis of detections as the comparison of runs asks for it."""

import numpy as np
import pytest

from detection.analysis.coco import evaluate_coco
from detection.analysis.coco_analysis import CocoAnalysis
from detection.analysis.sections import number_table
from tests.scenes import IDS, scenes


def subset(truth, found, ids):
    """The data of some images."""
    kept = [
        [one for one in part if one['image_id'] in ids] for part in (truth['annotations'], found)
    ]
    images = [one for one in truth['images'] if one['id'] in ids]
    return dict(truth, images=images, annotations=kept[0]), kept[1]


def test_ap_of_a_choice_in_the_order_of_the_positions():
    truth, found = scenes()
    ids = [one['id'] for one in truth['images']][::-1]
    analysis = CocoAnalysis(truth, found, IDS, ['bbox', 'segm'], 0.3, ids)
    counts = np.zeros((len(ids), 1), int)
    counts[:5] = 1
    for judgement, kind in zip(analysis.judgements(), ('bbox', 'segm'), strict=True):
        mean, each = judgement.values(counts)
        expected = evaluate_coco(*subset(truth, found, ids[:5]), IDS, kind).ap()
        np.testing.assert_allclose(each[:, 0], expected, atol=1e-12)
        assert mean[0] == pytest.approx(np.nanmean(expected))


def test_ap_by_the_number_of_objects():
    truth, found = scenes(images=30)
    scores = evaluate_coco(truth, found, IDS, 'bbox')
    numbers = {image_id: len(image.truths) for image_id, image in scores.images.items()}
    text = number_table(dict(bbox=scores))[0]
    lower, upper = np.quantile(list(numbers.values()), [1 / 3, 2 / 3], method='inverted_cdf')
    groups = (0, lower), (lower + 1, upper), (upper + 1, max(numbers.values()))
    for name, (low, high) in zip(('few', 'some', 'many'), groups, strict=True):
        ids = [image_id for image_id, n in numbers.items() if low <= n <= high]
        ap = np.nanmean(evaluate_coco(*subset(truth, found, ids), IDS, 'bbox').ap())
        row = text[text.index(f'>{name}: ') :].split('</tr>')[0]
        assert f'</span>{100 * ap:.1f}<' in row and f'<td>{len(ids)}</td>' in row


def test_the_calibration_leaves_out_what_lies_on_crowds():
    truth, found = scenes()
    analysis = CocoAnalysis(truth, found, IDS, ['bbox'], 0.3, [])
    images = analysis.scores['bbox'].images.values()
    ignored = sum(int(image.ignored.sum()) for image in images)
    assert ignored > 0
    assert analysis.calibration.counts.sum() == len(found) - ignored
    assert analysis.calibration.right.sum() == sum((image.match >= 0).sum() for image in images)
