"""Sampling: points between pixels, at the border, up to a pixel outside and beyond."""

import torch

from classification.mmcv_ops.bilinear import interpolation_matrix, sample


def test_positions_along_an_axis():
    values = torch.tensor([1.0, 2.0, 4.0])
    position = torch.tensor([0.0, 0.5, 1.25, 2.0, -0.7, -1.0, -1.1, 2.9, 3.0, 3.1])
    expected = torch.tensor([1, 1.5, 2.5, 4, 1, 1, 0, 4, 4, 0])
    torch.testing.assert_close(interpolation_matrix(position, 3) @ values, expected)


def test_an_axis_of_one_pixel():
    matrix = interpolation_matrix(torch.tensor([-0.5, 0.0, 0.6]), 1)
    torch.testing.assert_close(matrix, torch.ones(3, 1))


def test_points_of_a_map_are_products_along_its_axes():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 5, 6)
    y, x = 8 * torch.rand(4, 7) - 1.5, 9 * torch.rand(4, 7) - 1.5
    image = torch.tensor([0, 1, 1, 0])
    rows, columns = interpolation_matrix(y, 5), interpolation_matrix(x, 6)
    expected = torch.einsum('rsh,rchw,rsw->rcs', rows, maps[image], columns)
    torch.testing.assert_close(sample(maps, image, y, x), expected)
