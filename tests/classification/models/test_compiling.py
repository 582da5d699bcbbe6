"""Compiled inference."""

import pytest
import torch

from classification.models import MILA
from classification.models.compiling import compile_for_inference, constant_weights
from tests.helpers import images, relative_error
from tests.small_models import build


@pytest.mark.slow
def test_one_compilation_for_many_sizes():
    torch.manual_seed(0)
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5).eval()
    sizes = [(64, 96, 2), (70, 45, 3), (33, 128, 2)]
    expected = [model(images(*size)).detach() for size in sizes]
    torch._dynamo.reset()
    compiled = compile_for_inference(model, dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = [compiled(images(*size)) for size in sizes]
    for one, other in zip(found, expected, strict=True):
        assert not one.requires_grad and relative_error(one, other) < 1e-5


def test_training_mode_is_refused():
    with pytest.raises(RuntimeError, match=r'call eval\(\) first'):
        compile_for_inference(build('mila_tiny').train())


def test_weights_are_constant_inside_alone():
    with constant_weights():
        assert torch._inductor.config.freezing and not torch.is_grad_enabled()
    assert not torch._inductor.config.freezing and torch.is_grad_enabled()
