"""Confidences, against softmax and sigmoid."""

import pytest
import torch

from segmentation.analysis.confidence import confidences


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_of_several_classes(dtype):
    logits = (5 * torch.randn(7, 11, 13, generator=torch.manual_seed(0))).to(dtype)
    expected = logits.float().softmax(dim=0).amax(dim=0)
    torch.testing.assert_close(torch.from_numpy(confidences(logits)), expected)


def test_of_two_classes_with_one_logit():
    logits = torch.randn(1, 5, 6, generator=torch.manual_seed(0))
    share = logits[0].sigmoid()
    expected = torch.maximum(share, 1 - share)
    torch.testing.assert_close(torch.from_numpy(confidences(logits)), expected)
