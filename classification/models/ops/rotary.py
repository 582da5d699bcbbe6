"""Rotary positions over rows and columns: tables of angles, kept in a cache, and the rotation.

Source: Su et al., "RoFormer" (2021), here with one half of the channels for each axis, as MILA has.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from .devices import exporting

RotaryTable = tuple[Tensor, Tensor]  # cosine and sine, each (H, W, C / 2)
Made = TypeVar('Made', RotaryTable, Tensor)

_TABLES: OrderedDict[tuple, Any] = OrderedDict()
# 4 stages x 4 image sizes, real and complex; 0.2 GB for MILA-T at 800x1333. Oldest leave first.
_MAX_TABLES = 32


def rotary_table(
    height: int,
    width: int,
    dim: int,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> RotaryTable:
    """Cosine and sine of every token's rotation angles, from the cache where it holds them.

    Args:
        height, width: of the feature map, in tokens.
        dim: channels, a multiple of 4: the first half turns with the row, the rest with the column.
        device, dtype: of the table; the angles are computed in float32, as in released files.

    Returns:
        (cos, sin), each (height, width, dim / 2).
    """
    return _cached(_rotary_table, height, width, dim, device, dtype)


def rotary_numbers(
    height: int,
    width: int,
    dim: int,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The rotations as complex numbers, whose product with a pair of channels turns it.

    Args:
        height, width, dim, device: as for `rotary_table`.
        dtype: of the real and the imaginary part.

    Returns:
        (height * width, dim / 2).
    """
    return _cached(_rotary_numbers, height, width, dim, device, dtype)


def _cached(
    make: Callable[..., Made],
    height: int,
    width: int,
    dim: int,
    device: torch.device | str,
    dtype: torch.dtype,
) -> Made:
    # Do not cache under torch.compile, torch.export, jit.trace or FakeTensorMode: such tensors are
    # invalid outside the trace.
    if torch.compiler.is_compiling() or exporting() or type(torch.empty(0)) is not Tensor:
        return make(height, width, dim, device, dtype)
    key = (make, height, width, dim, torch.device(device), dtype)
    if key not in _TABLES:
        # A table made in inference mode could not serve a later training step.
        with torch.inference_mode(False):
            _TABLES[key] = make(height, width, dim, device, dtype)
        if len(_TABLES) > _MAX_TABLES:
            _TABLES.popitem(last=False)
    _TABLES.move_to_end(key)
    return _TABLES[key]


def _rotary_table(
    height: int, width: int, dim: int, device: torch.device | str, dtype: torch.dtype
) -> RotaryTable:
    theta = 10000 ** (-torch.arange(dim // 4, device=device, dtype=torch.float32) / (dim // 4))
    rows = torch.arange(height, device=device, dtype=torch.float32)[:, None] * theta
    cols = torch.arange(width, device=device, dtype=torch.float32)[:, None] * theta
    angles = torch.cat(
        (rows[:, None].expand(-1, width, -1), cols[None].expand(height, -1, -1)), dim=-1
    )
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotary_numbers(
    height: int, width: int, dim: int, device: torch.device | str, dtype: torch.dtype
) -> Tensor:
    cos, sin = _rotary_table(height, width, dim, device, dtype)
    return torch.complex(cos, sin).flatten(0, 1)


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Turn the channel pairs (2t, 2t+1) of x (B, H, W, C) by the table's angles (H, W, C / 2)."""
    cos, sin = table
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
