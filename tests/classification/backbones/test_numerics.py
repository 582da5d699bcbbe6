"""Every kind of backbone stays finite, in each precision, at odd sizes and for large inputs."""

import pytest
import torch

from tests.backbones import KINDS, SIZE, build
from tests.helpers import gradients, images

SIZES = {'square': (64, 64), 'odd': (33, 47), 'long': (32, 224)}
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
@pytest.mark.parametrize('dtype', DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize('kind', KINDS)
def test_finite(kind, dtype, size):
    """Maps and all gradients, for inputs of ordinary size and of 1e4, in training and after it."""
    if kind == 'Swin':
        size = [-(-side // 4) * 4 for side in size]  # timm's takes multiples of the patch alone
    sizes = dict(img_size=size) if kind.startswith('study') else {}
    model = build(kind, **sizes).to(dtype)
    for scale in (1.0, 1e4):
        for training in (True, False):
            model.train(training).zero_grad()
            x = (scale * images(*size)).clamp(-scale, scale).to(dtype).requires_grad_()
            maps = model(x)
            assert all(y.dtype == dtype and y.isfinite().all() for y in maps), (scale, training)
            torch.autograd.backward(maps, [torch.ones_like(y) / y[0].numel() for y in maps])
            assert x.grad.isfinite().all(), (scale, training)
            for name, gradient in gradients(model).items():
                assert gradient.isfinite().all(), (scale, training, name)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('kind', KINDS)
def test_a_bad_image_leaves_the_others_alone(kind, bad):
    """In evaluation: the maps of the others are to the bit what they are beside a good image."""
    model, x = build(kind).eval(), images(*SIZE, batch=3)
    spoilt = x.clone()
    spoilt[1, :, 10, 20] = bad
    with torch.no_grad():
        for good, beside in zip(model(x), model(spoilt), strict=True):
            assert torch.equal(good[[0, 2]], beside[[0, 2]])
