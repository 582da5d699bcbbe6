"""MILA as MMEngine's models use it: built by name, cut to its outputs, frozen, initialised."""

from pathlib import Path

import mmdet.registry
import mmengine.registry
import mmseg.registry
import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from classification.backbones import MILABackbone
from classification.engine.errors import CheckpointError
from classification.engine.weights import loading
from classification.models import MILA, MILA_ARCHS
from tests.helpers import gradients, images, relative_error

DATA = Path(__file__).parents[2] / 'data'
NANO = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4))
WIDTHS = (8, 16, 32, 64)
SUBSETS = [(0, 1, 2, 3), (0, 2), (1,), (3,), (0,)]


@pytest.fixture(scope='module')
def oracle():
    """A tiny instance of the official dense class: weights, three inputs, output maps."""
    return torch.load(DATA / 'mila_nano.pth', weights_only=True)['dense']


@pytest.fixture
def lines(monkeypatch):
    """What loading weights told the user."""
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda line, **kwargs: said.append(line))
    return said


def build(**kwargs):
    torch.manual_seed(0)
    return mmengine.registry.MODELS.build(dict(type='MILA', **{'arch': NANO, **kwargs}))


def official(oracle):
    model = build().eval()
    model.load_state_dict(oracle['state_dict'])
    return model


def save(state_dict, path, **others):
    torch.save({'model': state_dict, **others}, path)
    return dict(type='Pretrained', checkpoint=str(path))


# The official function


@pytest.mark.parametrize('case', range(3))
def test_maps_equal_the_official_ones(oracle, case):
    model, case = official(oracle), oracle['cases'][case]
    for y, expected in zip(model(case['input']), case['outputs'], strict=True):
        assert y.shape == expected.shape
        assert relative_error(y, expected) <= 1e-5


@pytest.mark.parametrize('case', range(3))
def test_input_gradients_equal_the_official_ones(oracle, case):
    case = oracle['cases'][case]
    x = case['input'].clone().requires_grad_()
    torch.autograd.backward(official(oracle)(x), case['grad_outputs'])
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


# Building


@pytest.mark.parametrize('scope', [mmengine, mmdet, mmseg], ids=lambda m: m.__name__)
def test_is_found_from_every_scope(scope):
    model = scope.registry.MODELS.build(dict(type='MILA', arch=ConfigDict(NANO)))
    assert type(model) is MILABackbone and isinstance(model, MILA)


@pytest.mark.parametrize('arch', ['tiny', 'small', 'base'])
def test_named_sizes(arch):
    with torch.device('meta'):
        names = {name: p.shape for name, p in build(arch=arch).named_parameters()}
        whole = {name: p.shape for name, p in MILA(**MILA_ARCHS[arch]).named_parameters()}
    norms = {name for name in names if name.startswith('norm')}
    assert norms == {f'norm{i}.{kind}' for i in range(4) for kind in ('weight', 'bias')}
    own = {name: shape for name, shape in names.items() if name not in norms}
    assert own == {n: s for n, s in whole.items() if not n.startswith(('norm.', 'head.'))}


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(arch='huge'), "arch 'huge' is none of tiny, small, base"),
        (dict(arch=dict(embed_dims=8)), r"unknown keys \['embed_dims'\]"),
        (dict(out_indices=()), r'out_indices \(\) must ascend within 0..3'),
        (dict(out_indices=(0, 4)), r'out_indices \(0, 4\) must ascend within 0..3'),
        (dict(out_indices=(1, 0)), r'out_indices \(1, 0\) must ascend'),
        (dict(out_indices=(1, 1)), r'out_indices \(1, 1\) must ascend'),
        (dict(frozen_stages=5), 'frozen_stages is -1 to 4, not 5'),
        (dict(frozen_stages=-2), 'frozen_stages is -1 to 4, not -2'),
    ],
    ids=str,
)
def test_wrong_values(wrong, message):
    with pytest.raises(ValueError, match=message):
        build(**wrong)


def test_unknown_keys_are_errors():
    with pytest.raises(TypeError, match='drop_path'):
        build(drop_path=0.1)


@pytest.mark.parametrize(
    'argument, value, name, shape',
    [
        ('in_channels', 1, 'patch_embed.conv1.conv.weight', (4, 1, 3, 3)),
        ('arch', dict(NANO, embed_dim=16), 'norm0.weight', (16,)),
        ('arch', dict(NANO, mlp_ratio=2.0), 'layers.0.blocks.0.mlp.fc1.weight', (16, 8)),
    ],
)
def test_arguments_that_change_a_shape(argument, value, name, shape):
    before, after = (model.state_dict()[name] for model in (build(), build(**{argument: value})))
    assert after.shape == shape != before.shape


def test_drop_path_rate():
    assert not torch.equal(build()(images())[3], build(drop_path_rate=0.9)(images())[3])


# Outputs


@pytest.mark.parametrize('out_indices', SUBSETS, ids=str)
@pytest.mark.parametrize('size', [(32, 32), (50, 77)], ids=str)
def test_maps_and_nothing_unused(out_indices, size):
    """What no map needs is not there: DDP would wait for its gradient."""
    model = build(out_indices=out_indices)
    maps = model(images(*size))
    assert isinstance(maps, tuple)
    for y, i in zip(maps, out_indices, strict=True):
        assert y.shape == (2, WIDTHS[i], *(-(-s // 2 ** (i + 2)) for s in size))
    sum((y * torch.randn_like(y)).sum() for y in maps).backward()
    for name, gradient in gradients(model).items():
        assert gradient is not None and gradient.isfinite().all(), name


@pytest.mark.parametrize('out_indices', SUBSETS[1:], ids=str)
def test_subsets_are_the_same_maps(out_indices):
    whole, some = build().eval(), build(out_indices=out_indices).eval()
    some.load_state_dict({n: v for n, v in whole.state_dict().items() if n in some.state_dict()})
    for y, i in zip(some(images()), out_indices, strict=True):
        torch.testing.assert_close(y, whole(images())[i])


# Training


@pytest.mark.parametrize('frozen_stages', range(-1, 5))
def test_frozen_stages(frozen_stages):
    model = build(frozen_stages=frozen_stages, drop_path_rate=0.5)
    assert model.train() is model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps = model(images())
    frozen = ['patch_embed.'] * (frozen_stages >= 0)
    for i in range(max(frozen_stages, 0)):
        frozen += [f'layers.{i}.', f'norm{i}.']
    frozen = tuple(frozen)

    if frozen_stages < 4:
        sum((y * torch.randn_like(y)).sum() for y in maps).backward()
    for name, gradient in gradients(model).items():
        assert (gradient is None) == name.startswith(frozen), name
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            same = torch.equal(
                model.state_dict()[f'{name}.running_mean'], before[f'{name}.running_mean']
            )
            assert same == name.startswith(frozen), name
    # Frozen stages drop no paths: their maps do not change from one call to the next.
    for y, again in zip(maps[: max(frozen_stages, 0)], model(images()), strict=False):
        torch.testing.assert_close(y, again, rtol=0, atol=0)
    assert not model.eval().training and not any(m.training for m in model.modules())


@pytest.mark.parametrize('frozen_stages', [-1, 1])
def test_checkpointing_changes_nothing(frozen_stages):
    plain, saving = (
        build(with_cp=with_cp, frozen_stages=frozen_stages, drop_path_rate=0.5)
        for with_cp in (False, True)
    )
    assert all(stage.grad_checkpointing for stage in saving.layers)
    maps = []
    for model in (plain, saving):
        torch.manual_seed(1)
        maps.append(model(images()))
        sum(y.square().sum() for y in maps[-1]).backward()
    torch.testing.assert_close(*maps, rtol=0, atol=0)
    torch.testing.assert_close(gradients(plain), gradients(saving), rtol=0, atol=0)


# init_cfg


def test_without_init_cfg_the_weights_stay():
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_other_init_cfgs_are_mmengines():
    model = build(init_cfg=dict(type='Constant', layer='Conv2d', val=0.5))
    model.init_weights()
    assert (model.patch_embed.conv1.conv.weight == 0.5).all()


@pytest.mark.parametrize('out_indices', SUBSETS, ids=str)
def test_a_classifier_file_fills_all_but_the_norms(tmp_path, lines, out_indices):
    torch.manual_seed(1)
    source = MILA(**NANO, num_classes=5)
    model = build(out_indices=out_indices, init_cfg=save(source.state_dict(), tmp_path / 'c.pth'))
    norms = {n: v.clone() for n, v in model.state_dict().items() if n.startswith('norm')}
    model.init_weights()
    for name, value in model.state_dict().items():
        expected = norms[name] if name in norms else source.state_dict()[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=0, msg=name)
    (line,) = lines
    assert '; left in the file: head, ' in line and 'norm' in line
    assert f'initialised: {", ".join(f"norm{i}" for i in out_indices)}' in line


def test_a_dense_file_fills_everything(tmp_path, lines):
    torch.manual_seed(1)
    source = MILABackbone(NANO)
    nn.init.normal_(source.norm2.weight)
    init_cfg = save({f'backbone.{n}': v for n, v in source.state_dict().items()}, tmp_path / 'd')
    model = build(init_cfg=init_cfg)
    model.init_weights()
    torch.testing.assert_close(model.state_dict(), source.state_dict())
    (line,) = lines
    assert 'initialised' not in line and 'left' not in line

    model = build(out_indices=(1,), init_cfg=init_cfg)  # its other norms and stages stay behind
    model.init_weights()
    torch.testing.assert_close(model.norm1.weight, source.norm1.weight)


def test_initialises_inside_another_model_once(tmp_path, lines):
    """As mmdet's and mmseg's models do: from the top, through init_weights of the children."""
    source = MILA(**NANO).state_dict()

    class Detector(mmengine.model.BaseModule):
        def __init__(self):
            super().__init__()
            self.backbone = build(init_cfg=save(source, tmp_path / 'c.pth'))

    detector = Detector()
    detector.init_weights()
    assert len(lines) == 1 and detector.backbone.is_init
    name = 'layers.3.blocks.0.attn.qk.weight'
    torch.testing.assert_close(detector.backbone.state_dict()[name], source[name])


@pytest.mark.parametrize(
    'arch', [dict(NANO, depths=(1, 1, 3, 1)), dict(NANO, embed_dim=16), dict(NANO, depths=(1,) * 4)]
)
def test_a_file_of_another_size_is_refused(tmp_path, arch):
    model = build(init_cfg=save(MILA(**arch).state_dict(), tmp_path / 'other.pth'))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match='does not fit MILABackbone'):
        model.init_weights()
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    'init_cfg, message',
    [
        (dict(type='Pretrained', path='x.pth'), "takes checkpoint and sha256, got .'path'."),
        (dict(type='Pretrained', checkpoint='x', prefix='b.'), "got .'checkpoint', 'prefix'."),
        ([dict(type='Pretrained', checkpoint='x')], 'init_cfg is one dict'),
    ],
)
def test_wrong_init_cfgs(init_cfg, message):
    with pytest.raises(ValueError, match=message):
        build(init_cfg=init_cfg).init_weights()


def test_the_digest_in_init_cfg_is_checked(tmp_path):
    init_cfg = dict(save(MILA(**NANO).state_dict(), tmp_path / 'c.pth'), sha256='0123')
    with pytest.raises(CheckpointError, match='not the expected 0123'):
        build(init_cfg=init_cfg).init_weights()
