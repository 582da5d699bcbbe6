"""The score of a class in a map."""

import pytest
import torch

from classification.engine.errors import UsageError
from segmentation.explanation import score

LOGITS = torch.tensor([[[5.0, 5, 1], [5, 1, 1]], [[0, 1, 3], [2, 2, 2]]])[None]


def segmentor(inputs, samples, mode):
    """One that gives the same at every image, for parts of 4x4 pixels."""
    assert mode == 'tensor'
    return LOGITS


@pytest.mark.parametrize(
    ('choice', 'label', 'held'),
    [({}, 0, [(0, 0)]), (dict(label=1), 1, [(7, 11)]), (dict(point=(11, 0)), 1, [(0, 11)])],
    ids=str,
)
def test_a_class_is_scored_over_its_pixels(choice, label, held):
    one = score(segmentor, torch.zeros(1, 3, 8, 12), None, **choice)
    large = torch.nn.functional.interpolate(LOGITS, (8, 12), mode='bilinear')[0]
    region = large.argmax(dim=0) == label
    assert one.label == label and (one.region == region.numpy()).all()
    assert all(one.region[place] for place in held)
    torch.testing.assert_close(one.value, large[label][region].mean())


def test_a_class_without_pixels_is_refused():
    with pytest.raises(UsageError, match='No pixel is given'):
        score(segmentor, torch.zeros(1, 3, 8, 12), None, label=7)
