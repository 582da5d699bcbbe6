"""Neighbourhood attention against its definition, a token at a time."""

import pytest
import torch

from classification.rivals.neighbourhood_attention import neighbourhood_attention


def neighbours(i, size, kernel, dilation):
    """Positions that i reads along an axis, and the bias index of each."""
    residue, place = i % dilation, i // dilation
    count = len(range(residue, size, dilation))
    start = min(max(place - kernel // 2, 0), count - kernel)
    places = range(start, start + kernel)
    return [(residue + p * dilation, p - place + kernel - 1) for p in places]


def token_by_token(q, k, v, bias, dilation):
    height, width, channels = q.shape[1], q.shape[2], q.shape[-1]
    kernel = (bias.shape[-1] + 1) // 2
    y = torch.zeros_like(q)
    for i in range(height):
        for j in range(width):
            rows = neighbours(i, height, kernel, dilation)
            cols = neighbours(j, width, kernel, dilation)
            (r, dr), (c, dc) = (torch.tensor(x).T for x in (rows, cols))
            keys, values = (x[:, r[:, None], c].flatten(1, 2) for x in (k, v))
            scores = torch.einsum('bhc,bnhc->bhn', q[:, i, j], keys) * channels**-0.5
            weights = (scores + bias[:, dr[:, None], dc].flatten(1)).softmax(dim=-1)
            y[:, i, j] = torch.einsum('bhn,bnhc->bhc', weights, values)
    return y


@pytest.mark.parametrize(
    'kernel, dilation, height, width',
    [(3, 1, 3, 3), (3, 1, 7, 5), (3, 2, 6, 11), (3, 3, 10, 14), (5, 2, 10, 13), (7, 1, 8, 15)],
)
def test_equals_its_definition(kernel, dilation, height, width):
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, height, width, 2, 4)] * 3 + [(2, 2 * kernel - 1, 2 * kernel - 1)]
    *qkv, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    )
    y, expected = (f(*qkv, bias, dilation) for f in (neighbourhood_attention, token_by_token))
    torch.testing.assert_close(y, expected)
    cotangent = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(y, (*qkv, bias), cotangent),
        torch.autograd.grad(expected, (*qkv, bias), cotangent),
    )
