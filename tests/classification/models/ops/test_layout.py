"""The orders of an image's tokens, and convolutions over channels-last features."""

import pytest
import torch
from torch import nn

from classification.models.ops.layout import DIRECTIONS, conv_nhwc, to_image, to_sequence


@pytest.mark.parametrize('direction', DIRECTIONS)
@pytest.mark.parametrize('shape', [(2, 3, 5, 4), (1, 1, 7), (2, 6, 1, 2, 3)])
def test_to_image_takes_back_to_sequence(direction, shape):
    x = torch.randn(shape)
    assert torch.equal(to_image(to_sequence(x, direction), direction, *shape[1:3]), x)


def test_directions_read_as_they_say():
    x = torch.tensor([[[1, 2, 3], [4, 5, 6]]])
    orders = {direction: to_sequence(x, direction)[0].tolist() for direction in DIRECTIONS}
    assert orders == {
        'row': [1, 2, 3, 4, 5, 6],
        'row_back': [6, 5, 4, 3, 2, 1],
        'column': [1, 4, 2, 5, 3, 6],
        'column_back': [6, 3, 5, 2, 4, 1],
    }


def test_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="'diagonal' is none of row, row_back, column"):
        to_sequence(torch.zeros(1, 2, 2), 'diagonal')


def test_convolution_is_that_of_the_permuted_features():
    conv, x = nn.Conv2d(4, 6, 3, stride=2), torch.randn(2, 7, 5, 4)
    expected = conv(x.permute(0, 3, 1, 2).contiguous())
    torch.testing.assert_close(conv_nhwc(conv, x), expected.permute(0, 2, 3, 1))
