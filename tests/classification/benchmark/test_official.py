"""The official order of operations gives the model's own results."""

import pytest
import torch

from classification.benchmark.official import OfficialMILA
from classification.models import MILA


@pytest.mark.parametrize('size', [(64, 96), (45, 70)], ids=str)
def test_equals_the_model(size):
    torch.manual_seed(0)
    model = MILA(embed_dim=8, depths=(1, 2), num_heads=(1, 2), num_classes=5).eval()
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(OfficialMILA(model)(x), model(x))
    maps = OfficialMILA(model, dense=True)(x)
    expected = model.forward_intermediates(x, intermediates_only=True)
    torch.testing.assert_close(maps, expected)
