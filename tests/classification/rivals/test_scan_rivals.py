"""What timm and training ask of the rivals with scans: all of them, small."""

import pytest
import timm
import torch
from mmengine.registry import MODELS
from timm.models import create_feature_extractor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import classification  # noqa: F401 - registers the models
from classification.engine.weights.loading import load_weights
from tests import rival_cases
from tests.helpers import gradients, images, relative_error

FOUR = dict(embed_dim=8, depths=(1, 1, 1, 1))
STAGED = {
    'localvmamba_tiny': dict(FOUR, directions=()),
    'efficientvmamba_tiny': FOUR,
    'mamba2d_tiny': dict(embed_dims=(8, 16, 32, 32), depths=(2, 1, 1, 1)),
}
PLAIN = {
    'vim_tiny': dict(embed_dim=16, depth=2),
    'localvim_tiny': dict(embed_dim=16, depth=2, directions=()),
    'localvim_tiny_midcls': dict(embed_dim=16, depth=2, directions=()),
    'plainmamba_l1': dict(embed_dim=16, depth=2),
}
every_model = pytest.mark.parametrize('name', [*STAGED, *PLAIN])


def build(name, **options):
    torch.manual_seed(0)
    sizes = {**STAGED, **PLAIN}[name]
    return timm.create_model(name, **{**sizes, 'num_classes': 5, **options}).eval()


@every_model
@pytest.mark.parametrize('batch, height, width', [(1, 32, 32), (3, 65, 97), (2, 127, 33)])
def test_forward(name, batch, height, width):
    model, x = build(name), images(height, width, batch)
    with torch.no_grad():
        y = model(x)
        assert y.shape == (batch, 5) and y.isfinite().all()
        torch.testing.assert_close(model(x[:1]), y[:1], rtol=1e-4, atol=1e-5)


@every_model
def test_smaller_images_are_refused(name):
    with pytest.raises(ValueError, match=r'needs images of at least 32x32, got \(64, 31\)'):
        build(name)(images(64, 31))


@every_model
def test_checkpointing_changes_nothing_and_every_parameter_has_a_gradient(name):
    found = []
    for checkpointing in (False, True):
        model = build(name, drop_path_rate=0.5).train()
        model.set_grad_checkpointing(checkpointing)
        torch.manual_seed(1)
        y = model(images())
        y.square().sum().backward()
        found.append((y, gradients(model)))
    (y, grads), (again, grads_again) = found
    torch.testing.assert_close(y, again, rtol=0, atol=0)
    torch.testing.assert_close(grads, grads_again)
    for parameter, gradient in grads.items():
        assert gradient is not None and gradient.isfinite().all(), parameter


@every_model
@pytest.mark.parametrize('change', [dict(drop_path_rate=0.9), dict(drop_rate=0.5)], ids=str)
def test_arguments_that_change_training_alone(name, change):
    before, after = build(name), build(name, **change)
    torch.testing.assert_close(before(images()), after(images()))
    torch.manual_seed(1)
    expected = before.train()(images())
    torch.manual_seed(1)
    assert not torch.allclose(after.train()(images()), expected)


@every_model
def test_classifier_is_timms(name):
    model, x = build(name), images()
    cfg, state = model.default_cfg, model.state_dict()
    assert cfg['input_size'] == (3, 224, 224) and cfg['num_classes'] == 1000
    assert f'{cfg["classifier"]}.weight' in state and f'{cfg["first_conv"]}.weight' in state
    assert model.get_classifier() is model.get_submodule(cfg['classifier'])
    pool = model.global_pool
    model.reset_classifier(0)
    pooled = model(x)
    assert pooled.shape == (2, model.num_features)
    torch.testing.assert_close(
        model.forward_head(model.forward_features(x), pre_logits=True), pooled
    )
    model.reset_classifier(0, '')
    assert model(x).shape == model.forward_features(x).shape
    model.reset_classifier(7, pool)
    assert model(x).shape == (2, 7) and model.num_classes == 7


@every_model
def test_weight_decay_leaves_the_rates_alone(name):
    model = build(name)
    kept = model.no_weight_decay()
    assert kept <= {n for n, _ in model.named_parameters()}
    ends = {n.split('.')[-1] for n in kept}
    assert any('A' in n and 'log' in n for n in ends) and any(n.startswith('D') for n in ends)


@pytest.mark.parametrize('name', STAGED)
def test_features_by_fx(name):
    model, x = build(name), images(65, 97, 3)
    classifier = model.default_cfg['classifier']
    extract = create_feature_extractor(model, [classifier, 'layers.1.blocks.0'])
    with torch.no_grad():
        torch.testing.assert_close(extract(x)[classifier], model(x))


@pytest.mark.parametrize('name', STAGED)
def test_maps_of_stages(name):
    model, x = build(name, features_only=True), images(64, 96)
    maps = model(x)
    for y, i, width in zip(maps, range(4), model.feature_info.channels(), strict=True):
        assert y.shape == (2, width, 16 >> i, 24 >> i)
    sum(y.square().sum() for y in maps).backward()
    assert all(g is not None for g in gradients(model).values())  # nothing unused is left


@pytest.mark.parametrize('name', PLAIN)
def test_maps_of_layers(name):
    model, x = build(name, features_only=True, out_indices=(0, 1)), images(64, 96)
    whole = build(name)
    maps = model(x)
    assert [y.shape for y in maps] == 2 * [(2, 16, 4, 6)]
    assert model.feature_info.reduction() == [16, 16]
    sum(y.square().sum() for y in maps).backward()
    expected = whole.forward_intermediates(x, intermediates_only=True)
    torch.testing.assert_close(maps, expected)
    last, _ = whole.forward_intermediates(x, [0], stop_early=True)
    assert last.shape[0] == 2
    tokens = whole.forward_intermediates(x, intermediates_only=True, output_fmt='NLC')
    torch.testing.assert_close([y.flatten(2).transpose(1, 2) for y in maps], tokens)
    assert whole.prune_intermediate_layers([0], prune_norm=True) == [0]
    assert len(whole.layers) == 1 and not any('head' in n for n in whole.state_dict())
    with pytest.raises(ValueError, match="'NCHW' or 'NLC'"):
        whole.forward_intermediates(x, output_fmt='NHWC')


def test_maps_of_released_depths_are_the_official_ones():
    """Unless told otherwise, those after each quarter of the layers."""
    for name, depth in (('vim_tiny', 24), ('localvim_tiny', 20), ('plainmamba_l1', 24)):
        sizes = dict(PLAIN[name], depth=depth)
        model = timm.create_model(name, features_only=True, **sizes)
        indices = [info['module'] for info in model.feature_info.info]
        taps = model.feature_info.out_indices
        assert [indices[i] for i in taps] == [
            f'layers.{depth * (k + 1) // 4 - 1}' for k in range(4)
        ]


@pytest.mark.parametrize('name', ['efficientvmamba_tiny', 'plainmamba_l1'])  # with batch norm
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_gradient_of_one_image_alone(name, training):
    """See backbones/test_batch_of_one.py: PyTorch's batch norm is wrong for some layouts."""
    found, image = [], images(64, 96, 1)
    for batch in (1, 2):
        model = build(name).train(training)
        x = image.repeat(batch, 1, 1, 1).requires_grad_()
        maps = model.forward_intermediates(x, intermediates_only=True)
        for i, y in enumerate(maps):
            torch.manual_seed(i)
            y.backward(torch.randn_like(y[:1]).repeat(batch, 1, 1, 1), retain_graph=True)
        found.append(x.grad[:1])
    assert relative_error(*found) <= 1e-4


@every_model
def test_half_precision(name, dtype=torch.bfloat16):
    model, x = build(name), images()
    expected = model(x)
    with torch.autocast('cpu', dtype):
        y = model.train()(x)
        y.float().square().sum().backward()
    assert all(g.isfinite().all() for g in gradients(model).values())
    y = build(name).to(dtype)(x.to(dtype))
    assert y.dtype == dtype and relative_error(y, expected) <= 0.1


# Of the stored official files: system, entry, model, sizes
FILES = [
    ('vim', 'classification', 'vim_tiny', dict(embed_dim=32, depth=3, img_size=(48, 80))),
    ('localvim', 'rope', 'localvim_tiny', dict(embed_dim=16, depth=3, directions=(), img_size=64)),
    (
        'localvmamba',
        'classification',
        'localvmamba_tiny',
        dict(FOUR, depths=(1, 1, 2, 1), directions=()),
    ),
    ('efficientvmamba', 'classification', 'efficientvmamba_tiny', dict(FOUR, depths=(1, 2, 2, 1))),
    (
        'plainmamba',
        'classification',
        'plainmamba_l1',
        dict(embed_dim=16, depth=3, img_size=(48, 80)),
    ),
    (
        'mamba2d',
        'classification',
        'mamba2d_tiny',
        dict(embed_dims=(8, 16, 32, 64), depths=(2, 1, 2, 1)),
    ),
]


@pytest.mark.parametrize('system, entry, name, sizes', FILES, ids=[f[0] for f in FILES])
def test_released_files_load_wherever_the_model_sits(system, entry, name, sizes, tmp_path):
    path = str(tmp_path / 'released.pth')
    torch.save(rival_cases.oracle(system)[entry]['checkpoint'], path)
    sizes = dict(sizes, num_classes=10)
    expected = timm.create_model(name, checkpoint_path=path, **sizes).state_dict()
    model = timm.create_model(name, **sizes)
    load_weights(model, path)
    torch.testing.assert_close(model.state_dict(), expected, rtol=0, atol=0)
    dense = MODELS.build(
        dict(
            type='TimmBackbone',
            name=name,
            norm=False,
            out_indices=(0, 1),  # what the others need is left over
            init_cfg=dict(type='Pretrained', checkpoint=path),
            **sizes,
        )
    )
    dense.init_weights()
    for parameter, value in dense.backbone.state_dict().items():
        torch.testing.assert_close(value, expected[parameter], rtol=0, atol=0)


# 10^9 at 224, of the official code's layers with 9 per token, channel and state of a scan; without
# the products of attention, which the counter does not see on a CPU
FLOPS = {'efficientvmamba_tiny': 0.79, 'plainmamba_l1': 3.01, 'mamba2d_nano': 1.10}


@pytest.mark.parametrize('name', FLOPS)
def test_flops_are_the_official_ones(name):
    """Counted on tensors without data, as tools/complexity.py does."""
    with FakeTensorMode(), FlopCounterMode(display=False) as counter, torch.no_grad():
        model = timm.create_model(name).eval()
        assert model(torch.empty(1, 3, 224, 224)).shape == (1, 1000)
    assert counter.get_total_flops() / 2e9 == pytest.approx(FLOPS[name], abs=0.01)
