"""The dense form of models other than MILA: VMamba, and any model of timm."""

import mmdet.registry
import mmengine.registry
import mmseg.registry
import pytest
import timm
import torch
from torch import nn

import classification  # noqa: F401 - registers the models
from classification.engine.errors import CheckpointError
from classification.models.factory import any_size
from tests.helpers import gradients, images

TINY = {
    'VMamba': dict(type='VMamba', arch=dict(embed_dim=8, depths=(1, 1, 2, 1), ssm_ratio=1.0)),
    'mambaout': dict(
        type='TimmBackbone', name='mambaout_femto', depths=(1, 1, 2, 1), dims=(8, 16, 24, 32)
    ),
    'convnext': dict(
        type='TimmBackbone', name='convnext_atto', depths=(1, 1, 2, 1), dims=(8, 16, 24, 32)
    ),
    'swin': dict(
        type='TimmBackbone',
        name='swin_tiny_patch4_window7_224',
        embed_dim=8,
        depths=(1, 1, 2, 1),
        num_heads=(1, 1, 1, 1),
        window_size=2,
    ),
}
SUBSETS = [(0, 1, 2, 3), (0, 2), (1,)]


@pytest.fixture(params=TINY)
def kind(request):
    return request.param


def build(kind, **kwargs):
    torch.manual_seed(0)
    return mmengine.registry.MODELS.build({**TINY[kind], **kwargs})


def classifier(kind, seed=1, **kwargs):
    """The model that `build` makes dense, whole."""
    config = {k: v for k, v in TINY[kind].items() if k not in ('type', 'name', 'arch')}
    config.update(TINY[kind].get('arch', {}))
    torch.manual_seed(seed)
    name = TINY[kind].get('name', 'vmamba_tiny')
    return timm.create_model(name, **{**any_size(name), **config, **kwargs})


def norms(model):
    return {n for n in model.state_dict() if n.startswith(('norm', 'outnorm'))}


def save(state_dict, path):
    torch.save({'model': state_dict}, path)
    return dict(type='Pretrained', checkpoint=str(path))


@pytest.mark.parametrize('scope', [mmengine, mmdet, mmseg], ids=lambda m: m.__name__)
def test_is_found_from_every_scope(kind, scope):
    assert type(scope.registry.MODELS.build(TINY[kind])) is type(build(kind))


@pytest.mark.parametrize('out_indices', SUBSETS, ids=str)
def test_maps_and_nothing_unused(kind, out_indices):
    model = build(kind, out_indices=out_indices)
    maps = model(images())
    channels = [info['num_chs'] for info in classifier(kind).feature_info]
    for y, i in zip(maps, out_indices, strict=True):
        assert y.shape == (2, channels[i], 64 // 2 ** (i + 2), 96 // 2 ** (i + 2))
        assert y.is_contiguous()
    sum((y * torch.randn_like(y)).sum() for y in maps).backward()
    for name, gradient in gradients(model).items():
        assert gradient is not None and gradient.isfinite().all(), name
    prefix = 'outnorm' if kind == 'VMamba' else 'norm'
    assert norms(model) == {f'{prefix}{i}.{n}' for i in out_indices for n in ('weight', 'bias')}


def test_maps_are_the_classifiers(kind):
    source, dense = classifier(kind).eval(), build(kind).eval()
    inner = dense if kind == 'VMamba' else dense.backbone
    assert inner.load_state_dict(source.state_dict(), strict=False).missing_keys == [
        n for n in inner.state_dict() if n.startswith('outnorm')
    ]
    maps = source.forward_intermediates(images(), intermediates_only=True)
    for y, expected in zip(dense(images()), maps, strict=True):
        expected = nn.functional.layer_norm(expected.permute(0, 2, 3, 1), expected.shape[1:2])
        torch.testing.assert_close(y.permute(0, 2, 3, 1), expected)


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 4])
def test_frozen_stages(kind, frozen_stages):
    model = build(kind, frozen_stages=frozen_stages)
    assert model.train() is model
    stem, *stage = {
        'VMamba': ['patch_embed.', 'layers.{}.', 'outnorm{}.'],
        'swin': ['backbone.patch_embed.', 'backbone.layers.{}.', 'norm{}.'],
    }.get(kind, ['backbone.stem.', 'backbone.stages.{}.', 'norm{}.'])
    frozen = [name.format(i) for i in range(frozen_stages) for name in stage]
    frozen = tuple(frozen + [stem] * (frozen_stages >= 0))
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith(frozen), name
    for name, module in model.named_modules():
        assert module.training != f'{name}.'.startswith(frozen), name


def test_checkpointing_changes_nothing(kind):
    models = [build(kind, with_cp=with_cp) for with_cp in (False, True)]
    maps = []
    for model in models:
        torch.manual_seed(1)
        maps.append(model(images()))
        sum(y.square().sum() for y in maps[-1]).backward()
    inner = models[1] if kind == 'VMamba' else models[1].backbone
    stages = inner.layers if hasattr(inner, 'layers') else inner.stages
    assert all(stage.grad_checkpointing for stage in stages)
    torch.testing.assert_close(*maps, rtol=0, atol=0)
    torch.testing.assert_close(*map(gradients, models), rtol=0, atol=0)


@pytest.mark.parametrize('out_indices', SUBSETS, ids=str)
@pytest.mark.parametrize('prefix', ['', 'backbone.'], ids=['bare', 'ImageClassifier'])
def test_a_classifier_file_fills_all_but_the_norms(kind, tmp_path, prefix, out_indices):
    source = classifier(kind).state_dict()
    file = {prefix + name: value for name, value in source.items()}
    model = build(kind, out_indices=out_indices, init_cfg=save(file, tmp_path / 'c.pth'))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()
    for name, value in model.state_dict().items():
        expected = before[name] if name in norms(model) else source[name.removeprefix('backbone.')]
        torch.testing.assert_close(value, expected, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize('prefix', ['', 'backbone.'], ids=['bare', 'detector'])
def test_a_dense_file_fills_everything(kind, tmp_path, prefix):
    source = build(kind)
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    file = {prefix + name: value for name, value in source.state_dict().items()}
    for out_indices in SUBSETS:
        model = build(kind, out_indices=out_indices, init_cfg=save(file, tmp_path / 'd.pth'))
        model.init_weights()
        expected = {name: source.state_dict()[name] for name in model.state_dict()}
        torch.testing.assert_close(dict(model.state_dict()), expected, rtol=0, atol=0)


def test_a_file_of_another_size_is_refused(kind, tmp_path):
    file = classifier(kind, depths=(1, 1, 1, 1)).state_dict()
    model = build(kind, init_cfg=save(file, tmp_path / 'other.pth'))
    with pytest.raises(CheckpointError, match='missing .*give the file of this architecture'):
        model.init_weights()


def test_without_init_cfg_the_weights_stay(kind):
    model = build(kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize('kind', ['VMamba', 'mambaout'])
def test_arguments_have_an_effect(kind):
    assert build(kind, in_channels=1)(images()[:, :1])[0].shape == (2, 8, 16, 24)
    plain, dropping = build(kind), build(kind, drop_path_rate=0.9)
    assert not torch.equal(plain(images())[3], dropping(images())[3])
