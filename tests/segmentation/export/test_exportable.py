"""export/exportable.py: how segmentors are described, and which are refused with what reason."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmseg.structures import SegDataSample

import segmentation  # noqa: F401
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from classification.export.operators import build
from segmentation.export.exportable import exportable, refusal
from tests.helpers import FIXTURES, committed_configs

STEPS = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 48), keep_ratio=True),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def segmentor():
    """A function: dotted keys of the fixture's model -> the model."""
    cfg = Config(load_config(FIXTURES / 'segmentation.py').model.to_dict())

    def make(options=None):
        cfg.merge_from_dict(options or {})
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmseg'):
            return MODELS.build(cfg).eval()

    return make


@pytest.mark.parametrize('classes, dtype', [(11, 'uint8'), (256, 'uint8'), (257, 'int32')])
def test_a_description(classes, dtype, segmentor):
    model = segmentor({'decode_head.num_classes': classes})
    found = exportable(model, STEPS)
    assert found.task == 'segmentation' and found.multiple == found.pixels.divisor == 1
    assert found.pixels.resize == (64, 48) and not found.takes_sizes
    (port,) = found.outputs
    assert (port.name, port.dtype) == ('map', dtype)


def test_the_network_is_the_models(segmentor):
    model = segmentor()
    found = exportable(model, STEPS)
    x = torch.randn(2, 3, 70, 50)
    with torch.no_grad():
        logits = found.network(x)
        expected = model.decode_head(model.extract_feat(x))
    assert logits.shape[1] == 11
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert [type(m).__name__ for m in model.modules()].count('MatrixPool') == 0  # as it was


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('shape, size', [((40, 56), (40, 56)), ((40, 56), (90, 31))])
def test_the_map_is_mmsegs(align_corners, shape, size, segmentor):
    model = segmentor({'decode_head.align_corners': align_corners})
    finish = exportable(model, STEPS).finish
    session = onnxruntime.InferenceSession(build(*finish).SerializeToString())
    logits = torch.randn(2, 11, 10, 14, generator=torch.Generator().manual_seed(0))
    meta = dict(img_shape=shape, ori_shape=size, pad_shape=shape)
    maps = model.decode_head.predict_by_feat(logits, [meta] * 2)
    samples = [SegDataSample(metainfo=meta) for _ in range(2)]
    expected = model.postprocess_result(maps, samples)
    inputs = dict(logits=logits.numpy(), shape=np.array(shape), size=np.array(size))
    (found,) = session.run(['map'], inputs)
    assert found.dtype == np.uint8 and found.shape == (2, *size)
    for actual, sample in zip(found, expected, strict=True):
        assert (actual != sample.pred_sem_seg.data[0].numpy()).mean() < 1e-3


@pytest.mark.parametrize(
    'options, reason',
    [
        (
            {'test_cfg': dict(mode='slide', crop_size=(64, 64), stride=(32, 32))},
            'it is tested in sliding windows, not on whole images',
        ),
        (
            {'decode_head.num_classes': 2, 'decode_head.out_channels': 1},
            'it has one channel for two classes',
        ),
        (
            {'data_preprocessor.test_cfg': dict(size_divisor=32)},
            'its data preprocessor pads test images',
        ),
    ],
    ids=str,
)
def test_refusals(options, reason, segmentor):
    model = segmentor(options)
    assert refusal(model) == reason
    with pytest.raises(UsageError, match=f'^This segmentor cannot be exported, .* {reason}.$'):
        exportable(model, STEPS)


def test_another_kind_of_model():
    assert refusal(torch.nn.Linear(1, 1)) == 'it is a Linear, not an EncoderDecoder'


@pytest.mark.parametrize('path', committed_configs('segmentation'))
def test_committed_configs(path):
    """Each can be exported."""
    model = Config.fromfile(path).model
    model.backbone = dict(type='TimmBackbone', name='resnet10t', out_indices=(1, 2, 3, 4))
    with DefaultScope.overwrite_default_scope('mmseg'):
        assert refusal(MODELS.build(model).eval()) is None
