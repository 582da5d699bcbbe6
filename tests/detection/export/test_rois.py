"""export/rois.py: the features of mmdet's SingleRoIExtractor."""

import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

import detection  # noqa: F401
from detection.export.rois import RoIFeatures

STRIDES = [4, 8, 16, 32]
SIZE = 160


@pytest.mark.parametrize(
    'layer',
    [
        dict(output_size=7, sampling_ratio=0),
        dict(output_size=14, sampling_ratio=2),
        dict(output_size=(3, 5), sampling_ratio=1, aligned=False),
    ],
    ids=str,
)
@pytest.mark.parametrize('levels', [1, 4])
def test_against_mmdet(layer, levels):
    generator = torch.Generator().manual_seed(0)
    extractor = SingleRoIExtractor(
        dict(type='RoIAlign', **layer), out_channels=3, featmap_strides=STRIDES[:levels]
    )
    maps = [
        torch.randn(2, 3, SIZE // stride, SIZE // stride, generator=generator)
        for stride in STRIDES[:levels]
    ]
    # From one pixel to more than the image, so that every level has some.
    sides = torch.logspace(0, 2.9, 60)
    corners = torch.rand(60, 2, generator=generator) * SIZE - 20
    image = torch.arange(60)[:, None] % 2
    rois = torch.cat([image, corners, corners + sides[:, None]], dim=1)
    found = RoIFeatures(extractor)(maps, rois)
    assert found.shape == (60, 3, *extractor.roi_layers[0].output_size)
    assert torch.equal(found, extractor(maps, rois))
    if levels > 1:
        assert len(extractor.map_roi_levels(rois, levels).unique()) == levels


def test_no_regions_and_none_of_a_level():
    extractor = SingleRoIExtractor(
        dict(type='RoIAlign', output_size=7), out_channels=3, featmap_strides=STRIDES
    )
    maps = [torch.ones(1, 3, SIZE // stride, SIZE // stride) for stride in STRIDES]
    features = RoIFeatures(extractor)
    assert features(maps, torch.zeros(0, 5)).shape == (0, 3, 7, 7)
    small = torch.tensor([[0.0, 40, 40, 60, 60], [0, 10, 10, 10, 10]])
    assert torch.equal(features(maps, small), extractor(maps, small))
