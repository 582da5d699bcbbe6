"""export/classifiers.py: how classifiers are described, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from classification.classifier import ImageClassifier
from classification.datasets.transforms import TimmTransform
from classification.engine.errors import UsageError
from classification.export.classifiers import exportable
from classification.exported.preprocessing import ResizeAndCrop

READ = dict(type='ReadImage')


@pytest.fixture(scope='module')
def classifier():
    torch.manual_seed(0)
    return ImageClassifier(dict(name='test_convnext', num_classes=7)).eval()


@pytest.mark.parametrize(
    'options',
    [
        dict(input_size=32),
        dict(input_size=224, crop_pct=0.9),
        dict(input_size=32, crop_pct=1.0, interpolation='bilinear'),
        dict(input_size=(3, 24, 24), crop_pct=0.8),
        dict(input_size=32, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3)),
    ],
    ids=str,
)
def test_pixels_are_those_of_testing(options, classifier):
    step = dict(type='TimmTransform', **options)
    found = exportable(classifier, [READ, step])
    prepare = ResizeAndCrop(**found.preprocessing)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 83, 3), np.uint8)
    cropped = prepare(pixels)
    assert cropped.shape[:2] == found.fixed_size
    mean, std = (np.float32(values) for values in (found.pixels.mean, found.pixels.std))
    assert found.pixels.unit and found.pixels.rgb and found.pixels.resize is None
    x = (cropped.astype(np.float32) / np.float32(255) - mean) / std
    expected = TimmTransform(**options).transform(Image.fromarray(pixels))
    assert (x.transpose(2, 0, 1) == expected.numpy()).all()


def test_a_description(classifier):
    found = exportable(classifier, [READ, dict(type='TimmTransform', input_size=32)])
    assert found.task == 'classification' and found.multiple == 1 and found.finish is None
    (port,) = found.outputs
    assert (port.name, list(port.shape)) == ('scores', ['batch', 7])
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        scores = found.network(x)
        assert torch.equal(scores, classifier.backbone(x).softmax(dim=1))
    assert scores.dtype == torch.float32 and torch.allclose(scores.sum(1), torch.ones(2))


@pytest.mark.parametrize(
    'steps, reason',
    [
        ([READ], r"The test pipeline \['ReadImage'\] cannot be exported"),
        ([READ, dict(type='TimmTransform', is_training=True)], "'center' and a square"),
        ([READ, dict(type='TimmTransform', crop_mode='border')], "'center' and a square"),
        ([READ, dict(type='TimmTransform', input_size=(3, 24, 32))], "'center' and a square"),
        ([READ, dict(type='TimmTransform', interpolation='nearest')], 'The interpolation nearest'),
        ([READ, dict(type='TimmTransform', mean=(float('nan'),) * 3)], 'is not finite'),
    ],
    ids=str,
)
def test_pipelines_that_are_refused(steps, reason, classifier):
    with pytest.raises(UsageError, match=reason) as caught:
        exportable(classifier, steps)
    assert '. ' not in str(caught.value) and str(caught.value).endswith('.')


def test_another_model():
    with pytest.raises(UsageError, match='A Linear cannot be exported'):
        exportable(nn.Linear(1, 1), [READ])
