"""What is shown from a score on: confusions, and the quality of an image."""

import numpy as np
import pytest

from detection.analysis.coco import evaluate_coco
from detection.analysis.images import confusion_matrix, judge_image
from tests.scenes import IDS, annotation, scenes


@pytest.mark.parametrize('score_thr', [0.0, 0.5, 2.0])
def test_the_confusion_matrix_counts_each_object_once(score_thr):
    truth, found = scenes()
    scores = evaluate_coco(truth, found, IDS, 'bbox')
    images = list(scores.images.values())
    counts = confusion_matrix(images, len(IDS), score_thr)
    np.testing.assert_array_equal(counts[:-1].sum(axis=1), scores.objects[:, 0])
    shown = sum((image.scores >= score_thr)[~image.ignored].sum() for image in images)
    assert counts[:, :-1].sum() == shown
    hits = sum(judge_image(image, score_thr).kinds.count('right') for image in images)
    assert np.trace(counts) == hits


def test_a_wrong_class_is_off_the_diagonal():
    truth, _ = scenes(images=1)
    truth['annotations'] = [
        dict(annotation(1, 7, [0, 0, 50, 50]), id=1, iscrowd=0),
        dict(annotation(1, 3, [100, 0, 50, 50]), id=2, iscrowd=0),
        dict(annotation(1, 5, [0, 100, 50, 50]), id=3, iscrowd=0),
    ]
    found = [
        dict(annotation(1, 7, [0, 0, 50, 50]), score=0.9),  # right
        dict(annotation(1, 7, [100, 0, 50, 45]), score=0.8),  # class 3 taken for 7
        dict(annotation(1, 5, [150, 150, 50, 50]), score=0.7),  # in the background
    ]
    image = evaluate_coco(truth, found, IDS, 'bbox').images[1]
    expected = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert confusion_matrix([image], 3, 0.5).tolist() == expected
    outcome = judge_image(image, 0.5)
    assert (outcome.mistakes, outcome.quality) == (4, pytest.approx(2 / 6))


def test_an_image_without_objects_and_detections_is_perfect():
    truth, _ = scenes(images=1)
    image = evaluate_coco(dict(truth, annotations=[]), [], IDS, 'bbox').images[1]
    outcome = judge_image(image, 0.3)
    assert (outcome.quality, outcome.mistakes) == (1, 0)
    assert not confusion_matrix([image], 3, 0.3).any()
