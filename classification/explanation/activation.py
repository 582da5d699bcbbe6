"""Where a stage's features speak for a score: Grad-CAM, and HiResCAM for a part of an image.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017); Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful
explanations of convolutional neural networks" (2020).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..engine.task import Score
from .stages import backbone_of, stage_module


def class_activation(
    model: nn.Module, score: Callable[[], Score], stage: int = -1
) -> tuple[Tensor, Score]:
    """ReLU of the sum over channels of the features times the score's gradient.

    Of the gradient the mean over the map is taken (Grad-CAM), unless the score is that of a region:
    it depends on the features there, and a mean would smear it over all others (HiResCAM).

    Args:
        model: with a backbone of timm's interface, in evaluation mode.
        score: runs the model and gives the score; of several runs the last one counts.
        stage: whose output is looked at.

    Returns:
        (h, w) float32, 0 or more; and what `score` gave.
    """
    backbone = backbone_of(model)
    stage %= len(backbone.feature_info)
    seen: list[Tensor] = []
    hook = stage_module(backbone, stage).register_forward_hook(
        lambda _, args, out: seen.append(out)
    )
    try:
        with torch.enable_grad():
            found = score()
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(found.value, seen[-1])
    channels_last = getattr(backbone, 'output_fmt', 'NCHW') == 'NHWC'
    features, gradient = (
        (part if channels_last else part.permute(0, 2, 3, 1))[0].float()
        for part in (seen[-1].detach(), gradient)
    )
    if found.region is None:
        gradient = gradient.mean(dim=(0, 1))
    return (features * gradient).sum(dim=-1).relu(), found
