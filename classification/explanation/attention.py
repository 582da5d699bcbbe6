"""What the pixel at (x, y) attends to, in the last block of each stage."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .field import effective_field
from .readers import READERS, Reader
from .stages import Token, as_batch, backbone_of, stage_maps, stage_module, token_at


@dataclass(frozen=True)
class AttentionMap:
    """What the token of a point reads in one stage.

    Attributes:
        stage: its number, from 0.
        kind: what was read: a kind of READERS, or 'gradient' of a stage that has no attention and
            no scan: its effective field (see field.py).
        query: (row, column) of the token that holds the point.
        weights: (h, w) float32, of each token of the stage. Those of a softmax, and of linear
            attention without RoPE, sum to 1, what a window reads of its padding and a ViT of its
            class token counted in; RoPE and a scan make negative ones too. The gradient is scaled
            to sum to 1.
    """

    stage: int
    kind: str
    query: Token
    weights: np.ndarray


@torch.no_grad()
def attention_maps(model: nn.Module, image: Tensor, point: tuple[int, int]) -> list[AttentionMap]:
    """What a point's token attends to in the last block of each stage, without N x N weights.

    Args:
        model: a classifier, detector, segmentor or backbone, in evaluation mode.
        image: (3, H, W) or (1, 3, H, W), normalised as the backbone takes it.
        point: (x, y) of a pixel of it.

    Raises:
        UsageError: the point lies beyond the image, or the model has no backbone of timm's
            interface.
    """
    backbone = backbone_of(model)
    images = as_batch(model, image)
    sizes, readers = _run(backbone, images)
    found = []
    for stage, size in enumerate(sizes):
        query = token_at(point, images.shape[-2:], size)
        if stage in readers:
            module, inputs = readers[stage]
            kind, read = cast(tuple[str, Reader], _reader(module))
            weights = read(module, inputs, query, size)
        else:
            kind = 'gradient'
            weights = F.adaptive_avg_pool2d(
                effective_field(model, images, stage, query)[None], size
            )[0]
            weights = weights / weights.sum().clamp(min=torch.finfo().tiny)
        found.append(AttentionMap(stage, kind, query, weights.float().cpu().numpy()))
    return found


@torch.no_grad()
def _run(backbone: nn.Module, images: Tensor) -> tuple[list[Token], dict[int, tuple]]:
    """Sizes of the stages' maps, and by stage the last module with a reader and its inputs."""
    inputs: dict[nn.Module, tuple] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: inputs.update({module: args}))
        for module in backbone.modules()
        if _reader(module)
    ]
    try:
        maps = stage_maps(backbone, images)
    finally:
        for hook in hooks:
            hook.remove()
    readers = {}
    for stage in range(len(maps)):
        for module in stage_module(backbone, stage).modules():
            if module in inputs:
                readers[stage] = module, inputs[module]
    return [(one.shape[-2], one.shape[-1]) for one in maps], readers


def _reader(module: nn.Module) -> tuple[str, Reader] | None:
    return next((READERS[kind] for kind in READERS if isinstance(module, kind)), None)
