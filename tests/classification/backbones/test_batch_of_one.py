"""Gradients of one image alone are those of the same image in a batch of two, for every backbone.

On a CPU the backward of PyTorch's BatchNorm2d is silently wrong for a batch of one when one of its
input and its incoming gradient, and not the other, lies in token order: strides (C, 1, W * C, C).
Seen with PyTorch 2.12 and 2.14. No backbone here may bring it about.
"""

import pytest
import torch
from torch import nn

from tests.backbones import KINDS, SIZE, build
from tests.helpers import gradients, images, relative_error


def tokens(x):
    """The same values (B, C, H, W) in token order."""
    return x.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).reshape(x.shape)


LAYOUTS = {
    'contiguous': torch.Tensor.contiguous,
    'channels_last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'tokens': tokens,
}


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('kind', KINDS)
def test_one_image_alone(kind, training, layout):
    """The batch of two has the image twice, so that statistics of batch norm are the same."""
    image, found = images(*SIZE, batch=1), []
    for batch in (1, 2):
        model = build(kind).train(training)
        x = image.repeat(batch, 1, 1, 1).requires_grad_()
        maps = model(x)
        for seed, y in enumerate(maps):
            generator = torch.Generator().manual_seed(seed)
            gradient = torch.randn(y[:1].shape, generator=generator).repeat(batch, 1, 1, 1)
            y.backward(LAYOUTS[layout](gradient), retain_graph=True)
        parameters = {name: g / batch for name, g in gradients(model).items() if g is not None}
        found.append((x.grad[:1], parameters))
    (alone, own), (of_two, shared) = found
    assert relative_error(alone, of_two) <= 1e-4
    scale = max(gradient.norm().item() for gradient in shared.values())
    for name, gradient in shared.items():
        # A bias before a batch norm has a gradient of rounding errors alone.
        assert (own[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6 * scale, name


def test_the_layout_is_the_one_that_goes_wrong():
    """So that the test above can fail: where PyTorch is mended, this test and it can go."""
    norm = nn.BatchNorm2d(64).eval()
    x = torch.randn(1, 64, 2, 3, requires_grad=True)
    gradient = torch.randn(1, 64, 2, 3)
    wrong, right = (
        torch.autograd.grad(norm(x), x, given)[0] for given in (tokens(gradient), gradient)
    )
    assert tokens(gradient).stride() == (64, 1, 192, 64)
    assert relative_error(wrong, right) > 0.1
