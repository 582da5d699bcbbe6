"""Operators on boxes against loops, which follow mmcv's source step by step."""

import math

import pytest
import torch

from classification.mmcv_ops.boxes import bbox_overlaps, nms, nms_match, softnms


def some(count, seed=0, ties=False):
    """Boxes that overlap, and scores; with ties, of which each stands twice."""
    generator = torch.Generator().manual_seed(seed)
    corner = 60 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(count, 2, generator=generator)], 1)
    scores = torch.rand(count, generator=generator)
    if ties:
        boxes, scores = boxes.repeat(2, 1), scores.repeat(2)
    return boxes, scores


def overlap(a, b, offset=0):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(area) - width * height)


def naive_nms(boxes, scores, threshold, offset):
    kept = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(overlap(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_nms(offset, threshold, dtype):
    boxes, scores = some(40)
    boxes, scores = boxes.to(dtype), scores.to(dtype)
    expected = naive_nms(boxes.double(), scores, threshold, offset)
    assert nms(boxes, scores, threshold, offset).tolist() == expected


def naive_softnms(boxes, scores, threshold, sigma, least, method, offset):
    """Swaps the best to the front, and the last into the place of one that falls out."""
    rows = [[*box, score, i] for i, (box, score) in enumerate(zip(boxes, scores, strict=True))]
    i = 0
    while i < len(rows):
        best = max(range(i, len(rows)), key=lambda j: (rows[j][4], -j))
        rows[i], rows[best] = rows[best], rows[i]
        j = i + 1
        while j < len(rows):
            shared = overlap(rows[i], rows[j], offset)
            factor = 1.0
            if method == 2:
                factor = math.exp(-(shared**2) / sigma)
            elif shared >= threshold:
                factor = 1 - shared if method == 1 else 0.0
            rows[j][4] *= factor
            if rows[j][4] < least:
                rows[j] = rows[-1]
                rows.pop()
                j -= 1
            j += 1
        i += 1
    return rows


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', [0, 1, 2])
def test_softnms(method, offset, ties):
    boxes, scores = some(40, ties=ties)
    dets = boxes.new_empty(len(boxes), 5)
    order = softnms(boxes, scores, dets, 0.4, 0.5, 0.05, method, offset)
    expected = naive_softnms(boxes.tolist(), scores.tolist(), 0.4, 0.5, 0.05, method, offset)
    assert order.tolist() == [row[5] for row in expected]
    assert 0 < len(order) < len(boxes)
    torch.testing.assert_close(dets[: len(order)], torch.tensor([row[:5] for row in expected]))


def test_nms_match():
    boxes, scores = some(40)
    groups = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.5)
    kept = naive_nms(boxes, scores, 0.4999999, 0)
    assert [group[0] for group in groups] == kept
    assert sorted(sum(groups, [])) == list(range(40))
    assert max(map(len, groups)) > 1
    for group in groups:
        assert scores[group].tolist() == sorted(scores[group].tolist(), reverse=True)
        assert all(overlap(boxes[group[0]], boxes[j]) >= 0.5 for j in group[1:])


def test_a_box_without_area_is_kept_alone():
    dets = torch.tensor([[0.0, 0, 0, 0, 0.9], [0, 0, 4, 4, 0.8]])
    assert nms_match(dets, 0.5) == [[0], [1]]


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('mode', [0, 1])
def test_bbox_overlaps(mode, offset, aligned):
    a, b = some(7)[0], some(7, seed=1)[0]
    ious = a.new_full((7,) if aligned else (7, 7), 9.0)
    bbox_overlaps(a, b, ious, mode, aligned, offset)
    for i in range(7):
        for j in range(7):
            expected = overlap(a[i], b[j], offset)
            if mode == 1:  # intersection over the first box instead of over the union
                first, second = [
                    (x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a[i], b[j])
                ]
                expected = expected * (first + second) / (1 + expected) / first
            if aligned and i == j:
                assert ious[i] == pytest.approx(float(expected), abs=1e-6)
            elif not aligned:
                assert ious[i, j] == pytest.approx(float(expected), abs=1e-6)


def test_no_boxes():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert nms(boxes, scores, 0.5, 0).shape == (0,)
    assert softnms(boxes, scores, torch.zeros(0, 5), 0.5, 0.5, 0.05, 1, 0).shape == (0,)
    assert nms_match(torch.zeros(0, 5), 0.5) == []
