"""PSANet's mask against loops over its definition."""

import pytest
import torch

from classification.mmcv_ops.psa_mask import psamask_backward, psamask_forward

HEIGHT, WIDTH, H_MASK, W_MASK = 4, 5, 5, 3
SIZES = (HEIGHT, WIDTH, H_MASK, W_MASK, (H_MASK - 1) // 2, (W_MASK - 1) // 2)


def naive(masks, kind):
    output = torch.zeros(len(masks), HEIGHT * WIDTH, HEIGHT, WIDTH, dtype=masks.dtype)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            for i in range(H_MASK):
                for j in range(W_MASK):
                    row, column = y + i - H_MASK // 2, x + j - W_MASK // 2
                    if 0 <= row < HEIGHT and 0 <= column < WIDTH:
                        value = masks[:, i * W_MASK + j, y, x]
                        if kind == 0:
                            output[:, row * WIDTH + column, y, x] = value
                        else:
                            output[:, y * WIDTH + x, row, column] = value
    return output


@pytest.mark.parametrize('kind', [0, 1], ids=['collect', 'distribute'])
def test_definition_with_gradient(kind):
    torch.manual_seed(0)
    masks = torch.randn(2, H_MASK * W_MASK, HEIGHT, WIDTH)
    output = torch.zeros(2, HEIGHT * WIDTH, HEIGHT, WIDTH)
    psamask_forward(masks, output, kind, 2, *SIZES)
    grad, grad_input = torch.randn_like(output), torch.zeros_like(masks)
    psamask_backward(grad, grad_input, kind, 2, *SIZES)

    masks.requires_grad_()
    expected = naive(masks, kind)
    assert torch.equal(output, expected)
    assert torch.equal(grad_input, torch.autograd.grad(expected, masks, grad)[0])
