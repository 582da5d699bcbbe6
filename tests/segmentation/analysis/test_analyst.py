"""A segmentor's sections, from maps made by hand."""

import re

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

from classification.visualization.drawing import class_colours
from classification.visualization.page import page
from segmentation.analysis.analyst import MapAnalyst
from segmentation.analysis.counting import class_iou, count_pixels
from segmentation.analysis.wrong import draw_wrong

IMAGE = np.full((16, 24, 3), 200, np.uint8)


def sample(truth, found):
    data = [torch.as_tensor(np.asarray(one))[None].long() for one in (truth, found)]
    return SegDataSample(gt_sem_seg=PixelData(data=data[0]), pred_sem_seg=PixelData(data=data[1]))


def analyst(classes=('sky', 'tree', 'car')):
    colours = class_colours(dict(classes=classes))
    return MapAnalyst(classes, colours, lambda i: f'/x/{i}.png')


def random_maps(seed, classes=3, shape=(16, 24)):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape)
    found = np.where(rng.random(shape) < 0.7, truth, rng.integers(0, classes, shape))
    return np.where(rng.random(shape) < 0.1, 255, truth), found


def text_of(made):
    return page('report', [], made.sections(lambda i: IMAGE))


def test_iou_equals_mmseg():
    made = analyst()
    metric = IoUMetric()
    metric.dataset_meta = dict(classes=made.classes)
    for seed in range(5):
        one = sample(*random_maps(seed))
        made.add([one])
        metric.process({}, [one.to_dict()])
    expected = metric.compute_metrics(metric.results)['mIoU']
    # mmseg rounds to two decimals.
    assert 100 * np.nanmean(class_iou(made.counts)) == pytest.approx(expected, abs=0.006)


def test_pixels_without_a_class_count_for_nothing():
    counts = count_pixels(np.array([[0, 255, 1]]), np.array([[0, 1, 0]]), 2)
    assert counts.tolist() == [[1, 0], [1, 0]]


def test_the_worst_and_best_images_are_kept():
    made = analyst()
    truth = np.zeros((16, 24), int)
    for wrong in [*range(1, 20), 0]:
        found = truth.copy()
        found.flat[: wrong * 5] = 1
        made.add([sample(truth, found)])
    assert made.worst_and_best() == (list(range(18, 10, -1)), [19, 0, 1, 2])
    np.testing.assert_array_equal(made.images[19].read_maps(), [truth, truth])
    text = text_of(made)
    assert text.index('18.png') < text.index('17.png')


def test_an_image_without_any_class_is_left_out():
    made = analyst()
    made.add([sample(np.full((16, 24), 255), np.zeros((16, 24)))])
    text = text_of(made)
    assert not re.search(r'>[^<]*\bnan\b', text) and 'data:image' not in text


@pytest.mark.parametrize('count', [1, 200])
def test_one_class_and_many(count):
    made = analyst([f'<b>class {i} 猫\ud800' for i in range(count)])
    made.add([sample(*random_maps(0, count))])
    text = text_of(made)
    assert '<b>class' not in text and not re.search(r'>[^<]*\bnan\b', text)
    assert ('175 more' in text) == (count == 200)


def test_wrong_pixels_are_marked():
    truth, found = np.zeros((16, 24), int), np.zeros((16, 24), int)
    found[4, 6] = 1
    truth[8, 8] = 255
    drawn = np.asarray(draw_wrong(IMAGE, truth, found, 2))
    k = drawn.shape[0] // 16
    marked = (drawn[::k, ::k] == (213, 94, 0)).all(axis=2)
    assert np.argwhere(marked).tolist() == [[4, 6]]


def test_miou_of_any_choice_of_images():
    made = analyst()
    for seed in range(4):
        made.add([sample(*random_maps(seed))])
    counts = np.array([[1, 0], [1, 2], [1, 0], [1, 5]])
    mean, each = made.judgements()[0].values(counts)
    for r in range(2):
        pixels = sum(
            n * image.counts(3) for n, image in zip(counts[:, r], made.images, strict=True)
        )
        np.testing.assert_allclose(each[:, r], class_iou(pixels))
        assert mean[r] == pytest.approx(class_iou(pixels).mean())


def test_the_calibration_is_of_pixels_with_a_class():
    made, (truth, found) = analyst(), random_maps(0)
    one = sample(truth, found)
    assert 'Left out' in text_of(made)
    logits = 9.0 * torch.nn.functional.one_hot(torch.as_tensor(found)).permute(2, 0, 1)
    one.seg_logits = PixelData(data=logits)
    made.add([one])
    assert made.calibration.counts.sum() == (truth != 255).sum()
    assert made.calibration.right.sum() == (truth == found).sum()
