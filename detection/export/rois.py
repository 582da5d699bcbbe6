"""Features of regions of interest (RoIs), each from the level of the pyramid that fits its size."""

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor, nn


class RoIFeatures(nn.Module):
    """mmdet's SingleRoIExtractor in operators that are traced.

    Args:
        extractor: the one whose constants are taken.
    """

    def __init__(self, extractor: Any):
        super().__init__()
        self.layers = [
            (layer.spatial_scale, layer.sampling_ratio, layer.aligned)
            for layer in extractor.roi_layers
        ]
        self.size = tuple(extractor.roi_layers[0].output_size)
        self.finest_scale = extractor.finest_scale

    def forward(self, maps: Sequence[Tensor], rois: Tensor) -> Tensor:
        """(R, C, h, w) features of RoIs (R, 5), rows of (image, x1, y1, x2, y2)."""
        width, height = rois[:, 3] - rois[:, 1], rois[:, 4] - rois[:, 2]
        scale = torch.sqrt(width * height) / self.finest_scale
        levels = torch.floor(torch.log2(scale + 1e-6)).clamp(0, len(self.layers) - 1)
        features = maps[0].new_zeros(rois.shape[0], maps[0].shape[1], *self.size)
        for level, (spatial_scale, sampling_ratio, aligned) in enumerate(self.layers):
            index = (levels == level).nonzero()[:, 0]
            part = torchvision.ops.roi_align(
                maps[level], rois[index], self.size, spatial_scale, sampling_ratio, aligned
            )
            features = features.index_put((index,), part)
        return features
