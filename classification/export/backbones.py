"""How the backbone of a detector or segmentor is described."""

from typing import Any

import torch
from torch import Tensor, nn

from ..engine.errors import UsageError
from .exportable import Exportable, Port
from .pixels import Pixels


class Maps(nn.Module):
    """The maps of a dense backbone.

    Args:
        backbone: in evaluation mode.
    """

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps (B, C, h, w) of normalised images (B, 3, H, W), the finest first."""
        return tuple(self.backbone(x))


def exportable(model: Any) -> Exportable:
    """A model's backbone, which gives maps; its input is the caller's business.

    Args:
        model: a detector or segmentor in evaluation mode.

    Raises:
        UsageError: the model has no backbone that gives maps.
    """
    network = Maps(model.backbone)
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 64, 64))
    if any(values.ndim != 4 for values in maps):
        raise UsageError(
            f'{type(model).__name__} has a backbone that gives no maps: leave out --backbone, or '
            'give the config of a detector or segmentor.'
        )
    widths = [values.shape[1] for values in maps]
    outputs = [
        Port(
            f'map{level}',
            ['batch', width, f'rows{level}', f'columns{level}'],
            'float32',
            f'feature map {level}, from the finest',
        )
        for level, width in enumerate(widths, start=1)
    ]
    return Exportable(
        task='backbone',
        network=network,
        network_outputs=outputs,
        outputs=outputs,
        pixels=Pixels(),
    )
