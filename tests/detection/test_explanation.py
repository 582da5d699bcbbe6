"""The score of a detection: which one is meant, and that it depends on the image."""

import pytest
import torch
from mmdet.structures import DetDataSample

from classification.engine.errors import UsageError
from classification.explanation.activation import class_activation
from detection.explanation import score
from tests.detectors import detector
from tests.helpers import images

SIZE = 64, 96


@pytest.fixture(scope='module')
def model():
    return detector()


@pytest.fixture
def found(model):
    """What it finds: (boxes, labels, scores)."""
    with torch.no_grad():
        one = model.predict(images(*SIZE, batch=1), [sample()], rescale=False)[0].pred_instances
    return one.bboxes, one.labels, one.scores


def sample():
    info = dict(img_shape=SIZE, ori_shape=SIZE, batch_input_shape=SIZE, scale_factor=(1, 1))
    return DetDataSample(metainfo=dict(**info, img_id=1))


def ask(model, **choice):
    return score(model, images(*SIZE, batch=1), sample(), **choice)


def test_the_best_detection_is_scored(model, found):
    boxes, labels, scores = found
    one = ask(model)
    assert one.value.item() == pytest.approx(scores.max().item())
    assert one.label == labels[scores.argmax()]
    x1, y1, x2, y2 = boxes[scores.argmax()]
    assert one.region.shape == SIZE
    assert one.region.sum() == pytest.approx(((x2 - x1) * (y2 - y1)).item(), rel=0.2, abs=20)


def test_a_class_and_a_point_choose(model, found):
    boxes, labels, scores = found
    label = int(labels[-1])
    expected = scores[labels == label].max().item()
    assert ask(model, label=label).value.item() == pytest.approx(expected)
    x, y = (int(value) for value in (boxes[0, :2] + boxes[0, 2:]) / 2)
    inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    sides = boxes[:, 2:] - boxes[:, :2]
    smallest = sides.prod(dim=1).masked_fill(~inside, torch.inf).argmin()
    assert ask(model, point=(x, y)).value.item() == pytest.approx(scores[smallest].item())


@pytest.mark.parametrize('mask', [False, True])
def test_both_scores_are_explained(mask, model):
    activation, one = class_activation(model, lambda: ask(model, mask=mask))
    assert activation.shape == (2, 3) and activation.max() > 0
    assert one.value.isfinite()


def test_what_is_not_there_is_refused(model):
    with pytest.raises(UsageError, match='Nothing of that kind'):
        ask(model, label=99)
    with pytest.raises(UsageError, match='has no mask head'):
        ask(detector(masks=False), mask=True)
