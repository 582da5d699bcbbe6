"""export/nms.py: the operator against torchvision's for each image, and its form in ONNX."""

import onnxruntime
import pytest
import torch
import torchvision
from torch import nn

from classification.export.operators import OPSET
from detection.export.nms import ONNX_OPERATORS, nms, set_score_threshold

# (images, boxes, IoU, score, most)
CASES = [
    (1, 50, 0.5, 0.05, 100),
    (3, 200, 0.5, 0.3, 100),
    (3, 200, 0.7, 0.0, 7),
    (2, 40, 0.3, 0.999, 100),  # nothing
    (2, 1, 0.5, 0.5, 1),
]


def boxes_and_scores(images, count):
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(images, count, 2, generator=generator) * 60
    sizes = torch.rand(images, count, 2, generator=generator) * 40
    scores = torch.rand(images, count, generator=generator) * 0.99
    return torch.cat([corners, corners + sizes], dim=-1), scores


def expected(boxes, scores, iou_thr, score_thr, most):
    """(image, box) of what torchvision keeps of each image."""
    rows = []
    for image in range(len(boxes)):
        for box in torchvision.ops.nms(boxes[image], scores[image], iou_thr).tolist():
            if scores[image, box] > score_thr and sum(row[0] == image for row in rows) < most:
                rows.append([image, box])
    return rows


@pytest.mark.parametrize('images, count, iou_thr, score_thr, most', CASES)
def test_against_torchvision(images, count, iou_thr, score_thr, most):
    given = boxes_and_scores(images, count)
    kept = nms(*given, iou_thr, score_thr, most)
    assert kept.shape == (len(kept), 2) and kept.dtype == torch.int64
    assert kept.tolist() == expected(*given, iou_thr, score_thr, most)


class Kept(nn.Module):
    def __init__(self, *options):
        super().__init__()
        self.options = options

    def forward(self, boxes, scores):
        return nms(boxes, scores, *self.options)


def to_onnx(*options):
    """A graph for any number of images and boxes."""
    axes = {axis: torch.export.Dim.DYNAMIC for axis in (0, 1)}
    program = torch.onnx.export(
        Kept(*options),
        boxes_and_scores(2, 9),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=(axes, axes),
        custom_translation_table=dict(ONNX_OPERATORS),
        input_names=['boxes', 'scores'],
        verbose=False,
    )
    return program.model_proto


def run(model, boxes, scores):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {'boxes': boxes.numpy(), 'scores': scores.numpy()})[0].tolist()


@pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
@pytest.mark.parametrize('iou_thr, score_thr, most', [(0.5, 0.3, 100), (0.7, -0.5, 7)])
def test_onnx(iou_thr, score_thr, most):
    model = to_onnx(iou_thr, score_thr, most)
    assert {node.domain for node in model.graph.node} == {''}
    for images, count, *_ in CASES:
        given = boxes_and_scores(images, count)
        assert run(model, *given) == expected(*given, iou_thr, score_thr, most)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('score_thr', [0.0, 0.6, 1.0])
def test_another_threshold(score_thr):
    model = to_onnx(0.5, 0.3, 100)
    set_score_threshold(model, score_thr)
    given = boxes_and_scores(3, 80)
    assert run(model, *given) == expected(*given, 0.5, score_thr, 100)


def test_in_a_traced_program():
    axes = {axis: torch.export.Dim.DYNAMIC for axis in (0, 1)}
    program = torch.export.export(
        Kept(0.5, 0.3, 20), boxes_and_scores(2, 9), dynamic_shapes=(axes, axes), strict=False
    )
    for images, count, *_ in CASES:
        given = boxes_and_scores(images, count)
        assert program.module()(*given).tolist() == expected(*given, 0.5, 0.3, 20)
