"""Effective receptive fields."""

import numpy as np
import pytest
import torch

from classification.explanation.field import effective_field, side_that_holds
from tests.backbones import SIZE, build


def test_the_field_is_the_mean_gradient():
    """The stem's patches of 4x4 and a depthwise 7x7: three tokens to each side."""
    model = build('ConvNeXt').eval()
    images = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    both = effective_field(model, images, stage=0, token=(3, 4))
    each = [effective_field(model, one[None], stage=0, token=(3, 4)) for one in images]
    torch.testing.assert_close(both, sum(each) / 2)
    assert both.shape == SIZE and both.min() >= 0
    rows, columns = both.nonzero().unbind(dim=1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 27, 4, 31)


@pytest.mark.parametrize(('share', 'side'), [(0.5, 1 / 9), (0.51, 3 / 9), (1.0, 1.0)])
def test_the_square_that_holds_a_share(share, side):
    field = np.zeros((9, 9))
    field[4, 4], field[3, 4], field[0, 0] = 5, 4, 1
    assert side_that_holds(field, share) == pytest.approx(side)
