"""Counts: the published parameters and FLOPs, from the committed configs."""

from pathlib import Path

import pytest
import timm
import torch

import classification  # noqa: F401 - registers the models
from classification import zoo
from classification.benchmark.complexity import complexity, count
from classification.engine.configs.loading import load_config
from tests.helpers import RIVAL

# All configs with published counts but those of the study, which models/test_linear_swin.py has,
# and those of RIVAL, of which test_rivals counts some.
PUBLISHED = {
    model.name: model
    for model in zoo.models()
    if model.config and model.published_counts and model.collection.name != 'Study'
    if not RIVAL.search(model.config)
}
# Of each family of MILA's other rivals the smallest classifier: their heads are those of others.
CLASSIFIERS = {
    model.collection.name: model
    for model in sorted(zoo.models(), key=lambda model: -model.parameters)
    if model.timm and not model.config and model.training_data == 'ImageNet-1k'
}
# As config without values, and in a form of its own: a plain backbone, an adapter and a neck.
DENSE = (
    'mask-rcnn_plainmamba-l1_fpn_1x_coco',
    'mask-rcnn_transnext-t_fpn_1x_coco',
    'upernet_vim-t_8xb4-60k_ade20k-512x512',
    'upernet_ravlt-s_8xb2-160k_ade20k-512x512',
)
# Parameters (M) and FLOPs (G) with more digits than the paper's table has.
PRECISE = {
    'mila-t_8xb128_in1k': (24.392, 4.149),
    'mila-s_8xb64_in1k': (43.015, 7.278),
    'mila-b_8xb64_in1k': (95.984, 16.157),
}
# Seconds each: of the rivals' families the smallest and the largest are enough every day.
BETWEEN = ('mambaout-s', 'swin-s', 'convnext-s', 'upernet_vmamba-s')
# Heads that nobody has published with MILA. Those with deformable attention run for real.
HEADS = {
    model.name: model
    for model in zoo.models()
    if model.config
    and model.collection.name == 'MILA'
    and not model.name.startswith(('mila', 'mask-rcnn', 'upernet'))
}
REAL = ('dino', 'mask2former')
DIGITS = sorted((Path(__file__).parents[3] / 'configs/quickstart').glob('*.py'))


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


@pytest.mark.parametrize(
    'config',
    [
        pytest.param(name, marks=pytest.mark.slow if any(b in name for b in BETWEEN) else ())
        for name in PUBLISHED
    ],
)
def test_published(config):
    model = PUBLISHED[config]
    counts = model.published_counts
    printed = [zoo.Counts.number(text) for text in (counts.parameters, counts.flops)]
    params, flops = PRECISE.get(config, (printed[0] / 1e6, printed[1] / 1e9))
    result = complexity(load_config(model.config))
    assert result['params'] / 1e6 == pytest.approx(params, rel=0.01)
    assert result['flops'] / 1e9 == pytest.approx(flops, rel=0.02, abs=0.06)
    # What the metafile says is counted is what is counted.
    assert (result['params'], result['flops']) == (model.parameters, model.flops)


@pytest.mark.parametrize(
    'config',
    [pytest.param(n, marks=pytest.mark.slow if n.startswith(REAL) else ()) for n in HEADS],
)
def test_other_heads(config):
    """What the metafile says is counted is what is counted."""
    result = complexity(load_config(HEADS[config].config))
    assert (result['params'], result['flops']) == (HEADS[config].parameters, HEADS[config].flops)


@pytest.mark.parametrize('config', [name for name in HEADS if name.startswith(REAL)])
def test_deformable_attention_is_counted(config):
    """With values: a head reads the sizes of the maps from tensors."""
    parts = complexity(load_config(HEADS[config].config), (256, 256))['parts']
    assert len(parts) > 1 and all(part['flops'] for name, part in parts.items() if 'head' in name)


@pytest.mark.slow
@pytest.mark.parametrize('model', CLASSIFIERS.values(), ids=lambda model: model.name)
def test_classifiers(model):
    """What the metafile says is counted is what is counted; test_metafiles.py has the printed."""
    classifier = timm.create_model(model.timm).eval()
    counter = count(classifier, torch.randn(1, 3, *model.shape), values=True)
    assert sum(p.numel() for p in classifier.parameters()) == model.parameters
    assert counter.get_total_flops() // 2 == model.flops


@pytest.mark.slow
@pytest.mark.parametrize('name', DENSE)
def test_rivals(name):
    """What the metafile says is counted is what is counted."""
    (model,) = [model for model in zoo.models() if model.name == name]
    result = complexity(load_config(model.config))
    assert (result['params'], result['flops']) == (model.parameters, model.flops)


def test_fused_attention_is_counted():
    """As its two matrix products, of 4 tokens with 8 channels in 2 heads."""

    class Attention(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    counter = count(Attention(), torch.randn(1, 2, 4, 4))
    assert counter.get_total_flops() // 2 == 2 * 2 * 4 * 4 * 4


def test_published_are_all_families():
    assert len(PUBLISHED) == 36 and PRECISE.keys() < PUBLISHED.keys()


@pytest.mark.parametrize('config', DIGITS, ids=lambda path: path.stem)
def test_parts_sum_to_the_total(config):
    result = complexity(load_config(config), (64, 96))
    assert result['shape'] == [64, 96]
    for key in ('params', 'flops'):
        assert sum(part[key] for part in result['parts'].values()) == result[key]


def test_a_cascade_is_counted_with_as_many_masks_as_others():
    """Three heads; not a mask for each proposal, as in mmdet's forward of a cascade."""
    roi_head = {
        name: complexity(load_config(f'configs/detection/{name}.py'), (64, 64))['parts']['roi_head']
        for name in ('mask-rcnn_mila-t_fpn_1x_coco', 'cascade-mask-rcnn_mila-t_fpn_ms-crop-3x_coco')
    }
    one, three = (part['flops'] for part in roi_head.values())
    # A cascade regresses one box for all classes.
    assert three == 3 * (one - 1000 * 1024 * 4 * 79)


def test_counts_what_runs():
    """A hand count: proposals and masks of the RoI head, and twice the pixels for the backbone."""
    config = 'configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py'
    cfg = load_config(config, {'model.test_cfg.rpn.max_per_img': 7})
    small = complexity(cfg, (64, 64))['parts']
    large = complexity(cfg, (64, 128))['parts']
    box = 7 * (64 * 49 * 256 + 256 * 256 + 256 * (11 + 4 * 10))
    mask = 7 * (2 * 14**2 * 9 * 64 * 64 + 14**2 * 4 * 64 * 64 + 28**2 * 64 * 10)
    assert small['roi_head']['flops'] == large['roi_head']['flops'] == box + mask
    assert large['backbone']['flops'] == pytest.approx(2 * small['backbone']['flops'], rel=0.01)
