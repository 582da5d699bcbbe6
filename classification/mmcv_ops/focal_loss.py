"""Focal loss (Lin et al., ICCV 2017) for sigmoid and softmax classifiers, with its gradient."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .gradient import computable


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """The loss of each class of each sample, into `output`.

    Args:
        input: (N, C) logits.
        target: (N,) int64 classes; C stands for background, which is none of them.
        weight: (C,) factor of the samples of each class, or empty.
        output: (N, C), filled.
    """
    logits = computable(input)
    p = logits.sigmoid()
    positive = -alpha * (1 - p) ** gamma * F.logsigmoid(logits)
    negative = -(1 - alpha) * p**gamma * F.logsigmoid(-logits)
    output.copy_(_select(positive, negative, target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """The derivative of each loss, into `grad_input`; shapes as `sigmoid_focal_loss_forward`."""
    logits = computable(input)
    p = logits.sigmoid()
    positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * F.logsigmoid(logits))
    negative = -(1 - alpha) * p**gamma * (gamma * (1 - p) * F.logsigmoid(-logits) - p)
    grad_input.copy_(_select(positive, negative, target, weight))


def _select(positive: Tensor, negative: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    classes = torch.arange(positive.shape[1], device=target.device)
    loss = torch.where(target[:, None] == classes, positive, negative)
    return loss * weight[target][:, None] if weight.numel() else loss


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """The loss of each sample, into `output`.

    Args:
        input: (N, C) probabilities, the softmax of the logits.
        target: (N,) int64 classes; a negative one has no loss.
        weight: (C,) factor of the samples of each class, or empty.
        output: (N,), filled.
    """
    p, log_p, factor = _of_target(input, target, weight)
    output.copy_(-alpha * (1 - p) ** gamma * log_p * factor)


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """The derivative by the logits, into `grad_input`; shapes as `softmax_focal_loss_forward`.

    `buff` (N,) is filled with the part that all logits of a sample share.
    """
    p, log_p, factor = _of_target(input, target, weight)
    shared = -((1 - p) ** gamma) + gamma * (1 - p) ** (gamma - 1) * p * log_p
    buff.copy_(alpha * shared * factor)
    one_hot = F.one_hot(target.clamp(min=0), input.shape[1])
    grad_input.copy_(buff[:, None] * (one_hot - computable(input)))


def _of_target(
    probabilities: Tensor, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Probability of the target, its logarithm, and the factor of the sample's loss."""
    p = computable(probabilities)
    label = target.clamp(min=0)
    p = p.gather(1, label[:, None])[:, 0]
    factor = (target >= 0).to(p.dtype)
    if weight.numel():
        factor = factor * weight[label]
    return p, p.clamp(min=torch.finfo(p.dtype).tiny).log(), factor
