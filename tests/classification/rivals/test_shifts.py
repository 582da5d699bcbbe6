"""The pixels around every pixel, against PyTorch's unfold."""

import torch
import torch.nn.functional as F

from classification.rivals.shifts import shifts


def test_equals_unfold():
    x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = F.unfold(x.permute(0, 3, 1, 2), 3, padding=1).view(2, 4, 9, 3, 5)
    torch.testing.assert_close(torch.stack([*shifts(x)]), expected.permute(2, 0, 3, 4, 1))


def test_any_axes_behind_the_image():
    x = torch.randn(2, 3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    for y, flat in zip(shifts(x), shifts(x.flatten(3)), strict=True):
        torch.testing.assert_close(y.flatten(3), flat)
