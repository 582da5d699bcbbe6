"""export/pooling.py: nn.AdaptiveAvgPool2d, as products with matrices."""

import pytest
import torch
from torch import nn

from segmentation.export.pooling import MatrixPool, averages, with_matrix_pools


@pytest.mark.parametrize('bins', [(1, 1), (2, 2), (3, 3), (6, 6), (2, 5)])
@pytest.mark.parametrize('size', [(1, 1), (2, 3), (6, 6), (7, 13), (16, 4), (31, 45)])
def test_against_torch(bins, size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = MatrixPool(bins)(x)
    assert found.shape == (2, 3, *bins)
    torch.testing.assert_close(found, nn.AdaptiveAvgPool2d(bins)(x), rtol=1e-6, atol=1e-6)


def test_averages():
    """Bins overlap where the length is no multiple of their number."""
    expected = [[0.5, 0.5, 0, 0, 0], [0, 1 / 3, 1 / 3, 1 / 3, 0], [0, 0, 0, 0.5, 0.5]]
    torch.testing.assert_close(averages(3, 5, torch.zeros(1)), torch.tensor(expected))
    assert averages(3, 5, torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


def test_every_pool_of_a_module_is_replaced():
    def pools():
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.ModuleList([nn.Sequential(nn.AdaptiveAvgPool2d((1, 3)))])
        )

    module = pools()
    with_matrix_pools(module)
    assert [m.size for m in module.modules() if isinstance(m, MatrixPool)] == [(2, 2), (1, 3)]
    assert not any(isinstance(m, nn.AdaptiveAvgPool2d) for m in module.modules())
