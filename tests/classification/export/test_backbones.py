"""export/backbones.py: backbones for other programs, for every size of image."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from classification.engine.errors import UsageError
from classification.export.backbones import exportable
from classification.export.check_network import check_network
from classification.export.model import onnx_model
from classification.export.sessions import onnx_session
from tests.backbones import build

FAST = 'ConvNeXt'
# One of each way to compute: another of its family takes a minute and shows nothing else.
SLOW = (
    'MILA',
    'VMamba, ratio 2.0',
    'study, baseline',
    'study, mamba',
    'MambaOut',
    'ResNet, no norm',
    'EfficientViT',
)
SIZES = [(1, 64, 96), (3, 97, 65)]  # batch, height, width


def model(kind):
    return SimpleNamespace(backbone=build(kind).eval())


@pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
@pytest.mark.parametrize('kind', [FAST, *(pytest.param(k, marks=pytest.mark.slow) for k in SLOW)])
def test_onnx(kind):
    compare(kind, None, SIZES)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_onnx_of_one_size():
    """Windows of images of any size take the exporter more than ten minutes."""
    compare('Swin', (64, 96), [(1, 64, 96), (3, 64, 96)])


def compare(kind, size, sizes):
    """The exported backbone and the model give the same maps of random images."""
    described = exportable(model(kind))
    graph = onnx_model(described, [], [], size=size, bare=True)
    seen = check_network(
        onnx_session(graph),
        described,
        [
            [np.random.default_rng(i).integers(0, 256, (h, w, 3), np.uint8)] * n
            for i, (n, h, w) in enumerate(sizes)
        ],
    )
    assert set(seen.largest) == {port.name for port in described.outputs}
    assert seen.images == 4 and max(seen.largest.values()) < 1e-4


def test_a_description():
    backbone = build('ConvNeXt').eval()
    found = exportable(SimpleNamespace(backbone=backbone))
    assert found.task == 'backbone'
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps = found.network(x)
    for level, (port, values) in enumerate(zip(found.outputs, maps, strict=True), start=1):
        assert port.name == f'map{level}' and port.shape[1] == values.shape[1]
    assert [values.shape[1] for values in maps] == [8, 16, 24, 32]


def test_a_model_without_maps():
    classifier = SimpleNamespace(backbone=nn.Sequential(nn.Flatten(), nn.Linear(64 * 64 * 3, 5)))
    with pytest.raises(UsageError, match='has a backbone that gives no maps: leave out --backbone'):
        exportable(classifier)
