"""Batch norm of channels that come last, against PyTorch's of images."""

import torch
from torch import nn

from classification.rivals.token_norm import TokenBatchNorm


def test_equals_the_norm_of_images():
    torch.manual_seed(0)
    norm, expected = TokenBatchNorm(5), nn.BatchNorm2d(5)
    for _ in range(2):
        x = torch.randn(2, 3, 4, 5)
        y = expected(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        torch.testing.assert_close(norm(x), y)
    torch.testing.assert_close(norm.state_dict(), expected.state_dict())
