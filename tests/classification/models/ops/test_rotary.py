"""Rotary positions: the rotation by its definition, and the cache of tables."""

from collections import OrderedDict

import pytest
import torch

from classification.models.ops import rotary
from classification.models.ops.rotary import rotary_table, rotate


@pytest.fixture
def tables(monkeypatch):
    """An empty cache, so that no other test's tables count."""
    monkeypatch.setattr(rotary, '_TABLES', OrderedDict())
    return rotary._TABLES


@pytest.mark.parametrize('dim', [4, 8, 64])
@pytest.mark.parametrize('size', [(1, 1), (3, 5), (40, 7)], ids=str)
def test_rotation_by_its_definition(size, dim):
    """Pair t of the token at (row, column) is a complex number, times exp(i angle_t)."""
    height, width = size
    theta = [10000 ** (-j / (dim // 4)) for j in range(dim // 4)]
    angles = torch.tensor(
        [
            [[row * t for t in theta] + [col * t for t in theta] for col in range(width)]
            for row in range(height)
        ],
        dtype=torch.float64,
    )
    x = torch.randn(2, height, width, dim, dtype=torch.float64)
    turned = torch.view_as_complex(x.unflatten(-1, (-1, 2))) * torch.exp(1j * angles)
    table = rotary_table(height, width, dim, 'cpu', torch.float64)
    expected = torch.view_as_real(turned).flatten(-2)
    # The angles are float32, as in the released tables: 40 rows x 6e-8.
    torch.testing.assert_close(rotate(x, table), expected, rtol=0, atol=2e-5)


def test_rotation_keeps_norms_and_sees_only_distances():
    table = rotary_table(6, 5, 16, 'cpu', torch.float64)
    x = torch.randn(1, 6, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(rotate(x, table).norm(dim=-1), x.norm(dim=-1))

    q, k = torch.randn(2, 16, dtype=torch.float64)
    q, k = (rotate(y.expand(1, 6, 5, 16), table)[0] for y in (q, k))
    products = torch.einsum('hwc,yxc->hwyx', q, k)
    for a, b in [((0, 0), (2, 3)), ((1, 0), (3, 3)), ((3, 1), (5, 4))]:
        torch.testing.assert_close(products[(*a, *b)], products[0, 0, 2, 3], rtol=1e-5, atol=1e-5)


def test_tables_are_kept_by_size_width_device_and_dtype(tables):
    asked = [
        (2, 3, 8, 'cpu', torch.float32),
        (3, 2, 8, 'cpu', torch.float32),
        (2, 3, 16, 'cpu', torch.float32),
        (2, 3, 8, 'meta', torch.float32),
        (2, 3, 8, 'cpu', torch.float64),
    ]
    made = [rotary_table(*arguments) for arguments in asked]
    assert len(tables) == len(asked)
    for arguments, (cos, sin) in zip(asked, made, strict=True):
        height, width, dim, device, dtype = arguments
        again = rotary_table(height, width, dim, torch.device(device), dtype)
        assert again[0] is cos and again[1] is sin
        assert cos.shape == sin.shape == (height, width, dim // 2)
        assert cos.device.type == device and cos.dtype == sin.dtype == dtype
    assert len(tables) == len(asked)


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago(tables, monkeypatch):
    monkeypatch.setattr(rotary, '_MAX_TABLES', 3)
    first = rotary_table(1, 1, 8, 'cpu')
    for width in range(2, 9):
        rotary_table(1, width, 8, 'cpu')
        assert rotary_table(1, 1, 8, 'cpu') is first  # used all the time: it stays
        assert len(tables) <= 3
    assert [width for _, _, width, *_ in tables] == [7, 8, 1]
