"""The scans of an image by chunks: against the naive scans of its sequences."""

import pytest
import torch

from classification.models.ops import image_scan as module
from classification.models.ops.image_scan import ORDERS, image_scan, softplus_
from classification.models.ops.layout import to_image, to_sequence
from classification.models.ops.selective_scan import naive_selective_scan


def arguments(images, height, width, channels, dtype=torch.float64):
    torch.manual_seed(0)
    shapes = [(images, height, width, channels), (images, height, width, 4, 2 + 2)]
    shapes += [(4, channels, 2)] + [(4, channels)] * 3
    x, params, weight, bias, A, D = (torch.randn(shape, dtype=dtype) for shape in shapes)
    return [t.requires_grad_() for t in (x, params, weight, bias, -A.exp(), D)]


def naive_image_scan(x, params, weight, bias, A, D):
    height, width = x.shape[1:3]
    params = zip(params.unbind(-2), ORDERS, strict=True)
    params = torch.stack([to_sequence(*p) for p in params], dim=1)
    r, B, C = params.split((params.shape[-1] - 2, 1, 1), dim=-1)
    xs = torch.stack([to_sequence(x, order) for order in ORDERS], dim=1)
    delta = r @ weight.transpose(1, 2) + bias[:, None]
    ways = naive_selective_scan(xs, delta, A[..., None], B, C, D).unbind(1)
    return sum(to_image(*p, height, width) for p in zip(ways, ORDERS, strict=True))


def run(function, inputs):
    y = function(*inputs)
    upstream = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad(y, inputs, upstream)]


# By the numbers of a chunk: a token, less than a block, blocks, the whole image.
@pytest.mark.parametrize('chunk', [1, 300, 800, 2**18])
@pytest.mark.parametrize('wide', [1, 2**12], ids=['one block', 'blocks'])
@pytest.mark.parametrize(
    'shape', [(1, 1, 1, 1), (2, 1, 7, 3), (3, 5, 1, 2), (2, 9, 11, 3)], ids=str
)
def test_outputs_and_all_gradients_are_the_naive_ones(monkeypatch, shape, wide, chunk):
    monkeypatch.setattr(module, 'CHUNK', chunk)
    monkeypatch.setattr(module, 'WIDE', wide)
    inputs = arguments(*shape)
    torch.testing.assert_close(
        run(image_scan, inputs), run(naive_image_scan, inputs), rtol=1e-9, atol=1e-10
    )


def test_single_precision():
    inputs = arguments(2, 40, 50, 6, torch.float32)
    expected = run(naive_image_scan, [t.detach().double().requires_grad_() for t in inputs])
    for got, want in zip(run(image_scan, inputs), expected, strict=True):
        assert (got - want).abs().max() <= 2e-6 * want.abs().max()


def test_results_are_the_same_each_time():
    inputs = arguments(2, 20, 30, 5, torch.float32)
    torch.testing.assert_close(*(run(image_scan, inputs) for _ in range(2)), rtol=0, atol=0)


def test_inputs_are_left_as_they_were():
    inputs = arguments(1, 4, 6, 3)
    before = [t.detach().clone() for t in inputs]
    run(image_scan, inputs)
    torch.testing.assert_close([t.detach() for t in inputs], before, rtol=0, atol=0)


def test_layout_of_the_inputs_does_not_matter():
    x, *rest = (t.detach() for t in arguments(2, 5, 6, 3))
    strided = x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert torch.equal(image_scan(strided, *rest), image_scan(x, *rest))


def test_scan_remembers_and_forgets():
    """A decay of 1 sums up all tokens, here 10,000 of each order, a decay of 0 keeps the last."""
    x = torch.ones(1, 100, 100, 2)
    params = torch.ones(1, 100, 100, 4, 3)
    weight, D = torch.zeros(4, 2, 1), torch.zeros(4, 2)
    bias = torch.full((4, 2), 0.5413248546)  # Δ = 1
    y = image_scan(x, params, weight, bias, torch.full((4, 2), -1e-12), D)
    torch.testing.assert_close(y, torch.full_like(y, 2 * 10_001))  # i + (10,001 - i), twice
    y = image_scan(x, params, weight, bias, torch.full((4, 2), -1e3), D)
    torch.testing.assert_close(y, 4 * x)


def test_keeps_its_inputs_and_one_state_per_chunk_for_the_backward_pass(monkeypatch):
    monkeypatch.setattr(module, 'CHUNK', 64 * 8)
    inputs, kept = arguments(1, 16, 16, 8), {}

    def keep(t):
        kept[t.data_ptr()] = t.numel()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        module._scan_image(*inputs[:5])
    states = 4 * 4 * 8  # orders, chunks, channels
    assert sum(kept.values()) == sum(t.numel() for t in inputs[:5]) + states


def test_torch_accepts_the_operators():
    inputs = arguments(2, 4, 6, 3)[:5]
    torch.library.opcheck(torch.ops.mila.image_scan, inputs)
    y, states = (t.detach() for t in torch.ops.mila.image_scan(*inputs))
    inputs = [t.detach() for t in inputs]
    torch.library.opcheck(torch.ops.mila.image_scan_backward, (y, states, *inputs))


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 5e-7), (torch.float64, 1e-15)])
def test_softplus_is_exact_far_from_0_too(dtype, tolerance):
    """Relative to log(1 + exp(x)): the exponent's rounding grows with x, as in any exponential."""
    x = torch.linspace(-80, 80, 10_001, dtype=dtype)
    expected = torch.log1p(torch.exp(x.double()))
    y = softplus_(x.clone(), *torch.empty(2, *x.shape, dtype=dtype))
    scale = 1 + x.abs() / 8
    assert ((y - expected) / expected).abs().div(scale).max() <= tolerance
    extremes = torch.tensor([-1e4, -200, 200, 1e4], dtype=torch.float32)
    assert softplus_(extremes, *torch.empty(2, 4)).tolist() == [0, 0, 200, 1e4]
