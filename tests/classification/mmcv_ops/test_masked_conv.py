"""The two halves of a masked convolution make the whole one at its pixels."""

import torch
import torch.nn.functional as F

from classification.mmcv_ops.masked_conv import masked_col2im_forward, masked_im2col_forward


def test_convolution_at_some_pixels():
    torch.manual_seed(0)
    image, weight = torch.randn(1, 3, 6, 9), torch.randn(4, 3, 3, 5)
    mask = torch.rand(6, 9) > 0.6
    rows, columns = mask.nonzero().T
    col = torch.zeros(3 * 3 * 5, len(rows))
    masked_im2col_forward(image, rows, columns, col, kernel_h=3, kernel_w=5, pad_h=1, pad_w=2)
    output = torch.zeros(1, 4, 6, 9)
    masked_col2im_forward(weight.flatten(1) @ col, rows, columns, output, 6, 9, 4)
    expected = F.conv2d(image, weight, padding=(1, 2)) * mask
    torch.testing.assert_close(output, expected)
