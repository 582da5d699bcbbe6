"""export/pipelines.py: pipelines of testing as `Pixels`, also those of every committed config."""

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

import detection  # noqa: F401
import segmentation  # noqa: F401
from classification.classifier import ImageClassifier
from classification.engine.configs.datasets import leaf_datasets
from classification.engine.errors import UsageError
from classification.export.classifiers import exportable as classifier_exportable
from classification.export.pipelines import pixels_of_pipeline
from classification.export.pixels import Pixels
from tests.helpers import committed_configs

CLASSIFIER = ImageClassifier(dict(name='mila_tiny', embed_dim=8, depths=(1, 1, 1, 1)))
LOAD = dict(type='LoadImageFromFile')
PACK = dict(type='PackDetInputs')


def preprocessor(scope='mmdet', **options):
    kind = dict(mmdet='DetDataPreprocessor', mmseg='SegDataPreProcessor')[scope]
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(dict(type=kind, **options))


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
@pytest.mark.parametrize('swap', [True, False])
def test_normalisation_is_the_preprocessors(scope, swap):
    mean, std = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    given = preprocessor(scope, mean=mean, std=std, bgr_to_rgb=swap)
    assert pixels_of_pipeline([LOAD, PACK], given, 8) == Pixels(mean, std, rgb=swap, divisor=8)


def test_no_normalisation():
    found = pixels_of_pipeline([LOAD, PACK], preprocessor(), 1)
    assert found == Pixels([0.0] * 3, [1.0] * 3, rgb=False)


@pytest.mark.parametrize(
    'step, resize, keep_ratio',
    [
        (dict(scale=(1333, 800), keep_ratio=True), (1333, 800), True),
        (dict(scale=[64, 48]), (64, 48), False),
        (dict(scale=64, keep_ratio=False), (64, 64), False),
    ],
)
def test_resize(step, resize, keep_ratio):
    steps = [LOAD, dict(type='Resize', **step), dict(type='LoadAnnotations'), PACK]
    found = pixels_of_pipeline(steps, preprocessor(), 1)
    assert (found.resize, found.keep_ratio) == (resize, keep_ratio)


def test_the_value_of_padding():
    given = preprocessor(pad_value=114, pad_size_divisor=32)
    assert pixels_of_pipeline([LOAD], given, 32).pad_value == 114


RESIZE = dict(type='Resize', scale=(8, 8))


@pytest.mark.parametrize(
    'steps',
    [
        [RESIZE, RESIZE],
        [dict(RESIZE, interpolation='nearest')],
        [dict(type='Resize', scale_factor=2.0)],
        [dict(type='Resize', scale=(1, 2, 3))],
        [dict(type='Resize', scale=None)],
        [dict(type='LoadImageFromFile', to_float32=True)],
        [dict(type='RandomFlip', prob=1.0)],
        [dict(type='Pad', size_divisor=32)],
    ],
    ids=str,
)
def test_what_cannot_be_exported_is_one_sentence(steps):
    with pytest.raises(UsageError) as caught:
        pixels_of_pipeline([LOAD, *steps, PACK], preprocessor(), 1)
    assert_one_sentence(caught.value)


def assert_one_sentence(error):
    sentence = str(error)
    assert '\n' not in sentence and '. ' not in sentence and sentence.endswith('.')


@pytest.mark.parametrize(
    'path', committed_configs('classification', 'detection', 'quickstart', 'segmentation', 'study')
)
def test_committed_configs(path):
    """Each has a form that can be exported."""
    cfg = Config.fromfile(path)
    steps = leaf_datasets(cfg.test_dataloader.dataset)[0]['pipeline']
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        if cfg.default_scope == 'mmengine':
            found = classifier_exportable(CLASSIFIER, steps)
            assert found.fixed_size == (found.preprocessing['crop'][0],) * 2
            assert found.pixels.unit and found.pixels.resize is None
            return
        given = MODELS.build(cfg.model.data_preprocessor)
        found = pixels_of_pipeline(steps, given, 32)
    assert found.mean == given.mean.flatten().tolist() and found.rgb
    assert found.keep_ratio and min(found.resize) >= 128
