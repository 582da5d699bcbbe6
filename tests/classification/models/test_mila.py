"""MILA against the official model, and as timm and torch expect a model to behave."""

import json
import math
from collections import OrderedDict
from pathlib import Path

import pytest
import timm
import torch
from timm.layers import DropPath
from timm.models import FeatureInfo
from timm.optim import param_groups_layer_decay
from torch import nn

import classification  # noqa: F401 - registers the models
from classification.models import MILA, MILA_ARCHS
from classification.models.mila import Block
from classification.models.ops import rotary
from tests.helpers import gradients, images, relative_error

DATA = Path(__file__).parents[2] / 'data'
PARAMETERS = {'tiny': 24.392, 'small': 43.015, 'base': 95.984}  # millions, as published
NANO = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4))
STRIDES = (4, 8, 16, 32)


@pytest.fixture(scope='module')
def oracle():
    """A tiny instance of the official classifier: weights, input, logits, gradient."""
    return torch.load(DATA / 'mila_nano.pth', weights_only=True)['classification']


@pytest.fixture
def tables(monkeypatch):
    """An empty cache of rotary tables."""
    monkeypatch.setattr(rotary, '_TABLES', OrderedDict())
    return rotary._TABLES


def official_model(oracle):
    model = MILA(**{k: v for k, v in oracle['config'].items() if k != 'img_size'}).eval()
    model.load_state_dict(oracle['checkpoint']['model'])  # strict, rotary tables and all
    return model


def nano(seed=0, **kwargs):
    torch.manual_seed(seed)
    return MILA(**{**NANO, 'num_classes': 5, **kwargs})


# The official function


def test_classifier_equals_the_official_one(oracle):
    model = official_model(oracle)
    x = oracle['input'].clone().requires_grad_()
    logits = model(x)
    logits.backward(oracle['grad_output'])
    assert relative_error(logits, oracle['logits']) <= 1e-5
    assert relative_error(x.grad, oracle['grad_input']) <= 1e-5


@pytest.mark.parametrize('arch', MILA_ARCHS)
def test_names_shapes_and_sizes_are_the_released_ones(arch):
    with torch.device('meta'):
        model = timm.create_model(f'mila_{arch}')
    official = json.loads((DATA / f'state_dict_{arch}.json').read_text())
    official = {name: shape for name, shape in official.items() if 'rope.rotations' not in name}
    assert {name: list(t.shape) for name, t in model.state_dict().items()} == official
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == PARAMETERS[arch]
    assert model.default_cfg['architecture'] == f'mila_{arch}'


def test_state_is_real_and_bound_to_no_resolution():
    model = nano()
    state = {name: t.shape for name, t in model.state_dict().items()}
    batch_norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for name, tensor in model.state_dict().items():
        assert not tensor.is_complex(), name
    for name, _ in model.named_buffers():
        assert name.rpartition('.')[0] in batch_norms, name
    for size in (64, 96):
        model(images(size, size))
        assert {name: t.shape for name, t in model.state_dict().items()} == state


# Sizes, types, layouts


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('size', [(33, 47), (64, 224), (240, 240), (464, 32)], ids=str)
def test_any_size_from_32_up(size, batch):
    model, x = nano(), images(*size, batch=batch)
    for mode in (True, False):
        assert model.train(mode)(x).isfinite().all()
        maps = model.forward_intermediates(x, intermediates_only=True)
        for y, stride, width in zip(maps, STRIDES, (8, 16, 32, 64), strict=True):
            assert y.shape == (batch, width, *(math.ceil(s / stride) for s in size))


def test_smallest_image():
    assert nano().eval()(images(32, 32, batch=1)).shape == (1, 5)
    assert nano().train()(images(32, 32, batch=2)).shape == (2, 5)


@pytest.mark.parametrize('size', [(31, 64), (64, 31), (16, 16)], ids=str)
def test_smaller_images_are_refused(size):
    with pytest.raises(ValueError, match='at least 32x32, got'):
        nano()(images(*size))


@pytest.mark.parametrize('dtype, tolerance', [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision(oracle, dtype, tolerance):
    model = official_model(oracle).to(dtype)
    assert relative_error(model(oracle['input'].to(dtype)), oracle['logits']) < tolerance

    x = 10 * oracle['input'][..., :33, :47].to(dtype)  # far beyond normalised pixels
    assert model(x).isfinite().all()
    model.train()(x).float().square().mean().backward()
    assert all(g.isfinite().all() for g in gradients(model).values())


def test_autocast(oracle):
    model = official_model(oracle)
    with torch.autocast('cpu', torch.bfloat16):
        assert relative_error(model(oracle['input']), oracle['logits']) < 2e-2
        model.train()(oracle['input']).float().square().mean().backward()
    assert all(g.isfinite().all() for g in gradients(model).values())


def test_channels_last_is_the_same_function():
    model, x = nano(), images()
    logits = model(x)
    logits.sum().backward()
    expected = gradients(model)
    again = nano().to(memory_format=torch.channels_last)
    y = again(x.to(memory_format=torch.channels_last))
    y.sum().backward()
    torch.testing.assert_close(y, logits)
    torch.testing.assert_close(gradients(again), expected)


# Training


def test_every_parameter_has_a_gradient():
    model = nano()
    nn.functional.cross_entropy(model(images()), torch.tensor([1, 4])).backward()
    for name, gradient in gradients(model).items():
        assert gradient is not None and gradient.isfinite().all(), name


def test_gradient_checkpointing_changes_nothing(monkeypatch):
    plain, saving = nano(drop_path_rate=0.5), nano(drop_path_rate=0.5)
    saving.set_grad_checkpointing()
    runs = []
    monkeypatch.setattr(
        Block, 'forward', lambda self, *args, f=Block.forward: runs.append(self) or f(self, *args)
    )
    outputs = []
    for model in (plain, saving):
        torch.manual_seed(1)
        outputs.append(model(images()))
        outputs[-1].sum().backward()
    assert len(runs) == 5 + 2 * 5  # the blocks ran again in the backward pass
    torch.testing.assert_close(*outputs, rtol=0, atol=0)
    torch.testing.assert_close(gradients(plain), gradients(saving), rtol=0, atol=0)
    torch.testing.assert_close(plain.state_dict(), saving.state_dict())  # batch norm ran once

    saving.set_grad_checkpointing(False)
    runs.clear()
    saving(images()).sum().backward()
    assert len(runs) == 5


def test_drop_path_is_random_in_training_only():
    model, x = nano(drop_path_rate=0.5), images(batch=8)

    def run(seed):
        torch.manual_seed(seed)
        return model(x)

    torch.testing.assert_close(run(0), run(0), rtol=0, atol=0)
    assert not torch.allclose(run(0), run(1))
    model.eval()
    torch.testing.assert_close(run(0), run(1), rtol=0, atol=0)


def test_drop_path_rises_linearly_over_all_blocks():
    blocks = [block for stage in nano(drop_path_rate=0.4).layers for block in stage.blocks]
    rates = [b.drop_path.drop_prob if isinstance(b.drop_path, DropPath) else 0 for b in blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize('backend', ['eager', 'aot_eager'])
def test_block_compiles_without_graph_breaks(backend):
    torch.manual_seed(0)
    block, x = Block(8, 2), torch.randn(2, 4, 6, 8)
    table = rotary.rotary_table(4, 6, 8, 'cpu')
    torch._dynamo.reset()
    compiled = torch.compile(block, fullgraph=True, backend=backend)
    expected = torch.autograd.grad(block(x, table).sum(), block.parameters())
    out = compiled(x, table)
    torch.testing.assert_close(out, block(x, table))
    torch.testing.assert_close(torch.autograd.grad(out.sum(), block.parameters()), expected)


def test_model_compiles_without_graph_breaks(tables):
    model, x = nano(depths=(1, 1, 1, 1)).eval(), images()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend='eager')
    with torch.no_grad():
        out = compiled(x)
        assert not tables  # one of the trace would outlive it
        torch.testing.assert_close(out, model(x))


@pytest.mark.filterwarnings('ignore')  # the exporter to TorchScript is deprecated, and says so
def test_traces_for_any_size(tables):
    """As MMEngine's complexity analysis and the older ONNX exporter do."""
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5).eval()
    traced = torch.jit.trace(model, images(), check_trace=False)
    assert not tables
    for x in (images(), images(80, 48, batch=3)):
        torch.testing.assert_close(traced(x), model(x))


def test_exports_for_any_size_without_complex_numbers(tables):
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5).eval()
    auto = torch.export.Dim.AUTO
    program = torch.export.export(
        model, (images(),), dynamic_shapes=({0: auto, 2: auto, 3: auto},), strict=False
    )
    assert not tables
    values = [node.meta.get('val') for node in program.graph.nodes]
    assert not any(v.is_complex() for v in values if isinstance(v, torch.Tensor))
    x = images(80, 48, batch=3)
    torch.testing.assert_close(program.module()(x), model(x))


# Arguments


@pytest.mark.parametrize(
    'argument, value, name, shape',
    [
        ('in_chans', 1, 'patch_embed.conv1.conv.weight', (4, 1, 3, 3)),
        ('num_classes', 9, 'head.weight', (9, 64)),
        ('embed_dim', 16, 'norm.weight', (128,)),
        ('depths', (1, 1, 2, 2), 'layers.3.blocks.1.norm1.weight', (64,)),
        ('mlp_ratio', 2.0, 'layers.0.blocks.0.mlp.fc1.weight', (16, 8)),
    ],
)
def test_arguments_that_change_a_shape(argument, value, name, shape):
    before, after = (model.state_dict().get(name) for model in (nano(), nano(**{argument: value})))
    assert after.shape == shape
    assert before is None or before.shape != shape


@pytest.mark.parametrize('change', [dict(num_heads=(1, 1, 1, 1)), dict(drop_rate=0.5)], ids=str)
def test_arguments_that_change_the_function_alone(change):
    before, after = nano(), nano(**change)
    after.load_state_dict(before.state_dict())
    assert not torch.allclose(before(images()), after(images()))


def test_arguments_that_cannot_be():
    with pytest.raises(ValueError, match='differ in length'):
        nano(depths=(1, 1))
    with pytest.raises(TypeError, match='drop_pth_rate'):
        nano(drop_pth_rate=0.1)
    with pytest.raises(TypeError, match='img_size'):
        timm.create_model('mila_tiny', img_size=224)


# timm's interface, as timm's own tests ask for it


def create(**kwargs):
    torch.manual_seed(0)
    return timm.create_model('mila_tiny', **{**NANO, **kwargs})


def test_timm_lists_the_models():
    assert set(timm.list_models('mila_*')) == {f'mila_{arch}' for arch in MILA_ARCHS}


def test_timm_default_cfg_describes_the_model():
    model = create().eval()
    cfg = model.default_cfg
    assert model.num_classes == cfg['num_classes'] == 1000
    assert f'{cfg["classifier"]}.weight' in model.state_dict()
    assert f'{cfg["first_conv"]}.weight' in model.state_dict()
    assert model.get_classifier() is model.get_submodule(cfg['classifier'])
    x = torch.randn(1, *cfg['input_size'])
    features = model.forward_features(x)
    assert features.shape == (1, *cfg['pool_size'], model.num_features)
    pooled = model.forward_head(features, pre_logits=True)
    assert pooled.shape == (1, model.head_hidden_size)
    torch.testing.assert_close(model.head(pooled), model(x))


def test_timm_resets_the_classifier():
    model, x = create(num_classes=7).eval(), images()
    features = model.forward_features(x)
    assert model(x).shape == (2, 7) and model.num_classes == 7

    model.reset_classifier(3)
    assert model(x).shape == (2, 3) and model.num_classes == 3
    assert model.get_classifier().weight.std().item() == pytest.approx(0.02, rel=0.2)
    model.reset_classifier(0)
    torch.testing.assert_close(model(x), features.mean((1, 2)))
    model.reset_classifier(0, '')
    torch.testing.assert_close(model(x), features)
    model.half().reset_classifier(4, 'avg')
    assert model(x.half()).shape == (2, 4)
    assert create(num_classes=0, global_pool='')(x).shape == features.shape


def test_timm_forward_intermediates():
    model, x = create().eval(), images()
    last, maps = model.forward_intermediates(x)
    torch.testing.assert_close(last, model.forward_features(x))
    info = FeatureInfo(model.feature_info, len(model.feature_info))
    assert info.reduction() == list(STRIDES) and info.channels() == [8, 16, 32, 64]
    assert [y.shape[1] for y in maps] == info.channels()

    some = model.forward_intermediates(x, [0, -2], output_fmt='NHWC', intermediates_only=True)
    for y, expected in zip(some, (maps[0], maps[2]), strict=True):
        torch.testing.assert_close(y.permute(0, 3, 1, 2), expected)
    (normed,) = model.forward_intermediates(x, 1, norm=True, intermediates_only=True)
    torch.testing.assert_close(normed.permute(0, 2, 3, 1), last)
    model.set_grad_checkpointing()
    torch.testing.assert_close(model.train().forward_intermediates(x)[0].shape, last.shape)
    with pytest.raises(ValueError, match="'NCHW' or 'NHWC', not 'NLC'"):
        model.forward_intermediates(x, output_fmt='NLC')


def test_timm_stops_early():
    model, x = create().eval(), images()
    expected = model.forward_intermediates(x, [1])[1]
    model.layers[2] = None  # calling it would fail
    last, maps = model.forward_intermediates(x, [1], stop_early=True)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(last.permute(0, 3, 1, 2), maps[0])


def test_timm_prunes_to_the_maps_asked_for():
    model, x = create().eval(), images()
    expected = model.forward_intermediates(x, [0, 1], intermediates_only=True)
    assert model.prune_intermediate_layers([0, -3]) == [0, 1]
    assert not any(name.startswith(('layers.2', 'norm', 'head')) for name in model.state_dict())
    assert not any('layers.1.downsample' in name for name in model.state_dict())
    torch.testing.assert_close(model.forward_intermediates(x, intermediates_only=True), expected)
    assert model(x).shape == (2, 8, 12, 16)  # neither head nor pooling is left

    whole = create()
    whole.prune_intermediate_layers(1, prune_head=False)
    assert whole(x).shape == (2, 1000)
    whole.prune_intermediate_layers(1, prune_norm=True)
    assert isinstance(whole.norm, nn.Identity)


@pytest.mark.parametrize(
    'out_indices, stages',
    [(None, [0, 1, 2, 3]), ((1, 2), [1, 2]), ((-1,), [3]), (2, [2, 3])],
    ids=str,
)
def test_timm_features_only(out_indices, stages):
    kwargs = {} if out_indices is None else dict(out_indices=out_indices)
    model = create(features_only=True, **kwargs)
    maps = model(images())
    for y, i, width, stride in zip(
        maps, stages, model.feature_info.channels(), model.feature_info.reduction(), strict=True
    ):
        assert (width, stride) == (8 * 2**i, STRIDES[i])
        assert y.shape == (2, width, math.ceil(64 / stride), math.ceil(96 / stride))
    sum(y.sum() for y in maps).backward()
    assert all(g is not None for g in gradients(model).values())  # nothing unused is left


def test_timm_pretrained_cfg_overlay(tmp_path):
    source = create(num_classes=7)
    torch.save(source.state_dict(), tmp_path / 'weights.pth')
    overlay = dict(file=str(tmp_path / 'weights.pth'), num_classes=7)
    model = create(pretrained=True, pretrained_cfg_overlay=overlay)
    torch.testing.assert_close(model.state_dict(), source.state_dict())

    # Another number of classes: all but the head; grey images: the first kernels summed.
    model = create(pretrained=True, pretrained_cfg_overlay=overlay, num_classes=3, in_chans=1)
    first, head = 'patch_embed.conv1.conv.weight', 'head.weight'
    for name, value in source.state_dict().items():
        if name == first:
            value = value.sum(1, keepdim=True)
        if not name.startswith('head'):
            torch.testing.assert_close(model.state_dict()[name], value)
    assert model.state_dict()[head].shape == (3, 64)

    features = create(pretrained=True, pretrained_cfg_overlay=overlay, features_only=True)
    torch.testing.assert_close(
        features.eval()(images())[3],
        source.eval().forward_intermediates(images(), 1, intermediates_only=True)[0],
    )


def test_timm_layer_decay_follows_the_depth():
    model = create(num_classes=7)
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scale = {id(p): group['lr_scale'] for group in groups for p in group['params']}
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    named = dict(model.named_parameters())
    assert scale.keys() == {id(p) for p in named.values()}
    order = [
        'patch_embed.conv1.conv.weight',
        'layers.0.blocks.0.attn.qk.weight',
        'layers.0.downsample.conv.0.conv.weight',
        'layers.2.blocks.0.attn.qk.weight',
        'layers.2.blocks.1.attn.qk.weight',
        'layers.2.downsample.conv.0.conv.weight',
        'layers.3.blocks.0.attn.qk.weight',
        'head.weight',
    ]
    scales = [scale[id(named[name])] for name in order]
    assert scales == sorted(set(scales)) and scales[-1] == 1
    assert scale[id(named['norm.weight'])] == scale[id(named['layers.3.blocks.0.cpe1.weight'])]
    assert all((decay[id(p)] == 0) == (p.ndim <= 1) for p in named.values())

    coarse = timm.models.group_parameters(model, model.group_matcher(coarse=True), reverse=True)
    assert len(set(coarse.values())) == 1 + 4 + 1  # stem, stages, head
