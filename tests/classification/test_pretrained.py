"""Released weights by the name of a model, through timm and through init_cfg; own trainings."""

import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from mmengine.registry import MODELS

from classification.engine.errors import CheckpointError, UsageError
from classification.zoo import Release, download
from tests.checkpoints import NANO, OTHER, STATE, nano, prefixed
from tests.helpers import LAST, served

SIZES = {key: NANO[key] for key in ('embed_dim', 'depths', 'num_heads')}
BODY = {name: value for name, value in STATE.items() if not name.startswith('head')}


@pytest.fixture
def release(monkeypatch, tmp_path):
    """Changes what the zoo says of mila_tiny, whose file a site of this process has."""
    (tmp_path / 'site').mkdir()
    torch.save({'model': OTHER, 'state_dict_ema': STATE}, tmp_path / 'site/a.pth')
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / 'site')
    monkeypatch.setattr(SimpleHTTPRequestHandler, 'log_message', lambda *args: None)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('no_proxy', '*')
    monkeypatch.chdir(tmp_path)
    with served(handler) as address:

        def say(url=f'{address}/a.pth', sha256=None):
            known = Release(url, Path('checkpoints/mila_tiny.pth'), sha256)
            monkeypatch.setattr(download, 'models', lambda: [SimpleNamespace(release=known)])

        say()
        yield say


def from_timm(**kwargs):
    return timm.create_model('mila_tiny', pretrained=True, **SIZES, **kwargs)


def backbone(checkpoint='mila_tiny', **kwargs):
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint, **kwargs)
    model = MODELS.build(dict(type='MILA', arch=SIZES, init_cfg=init_cfg))
    model.init_weights()
    return model


def classifier(**kwargs):
    init_cfg = dict(type='Pretrained', checkpoint='mila_tiny', **kwargs)
    model = dict(name='mila_tiny', **NANO)
    model = MODELS.build(dict(type='ImageClassifier', model=model, init_cfg=init_cfg))
    model.init_weights()
    return model.backbone


@pytest.mark.parametrize(
    'build',
    [
        partial(from_timm, num_classes=5, pretrained_cfg_overlay=dict(num_classes=5)),
        partial(from_timm, num_classes=7),
        partial(from_timm, num_classes=0),
        backbone,
        classifier,
    ],
    ids=['timm', 'timm, other classes', 'timm, no classes', 'dense', 'classifier'],
)
def test_by_the_models_name(release, build, tmp_path):
    state = build().state_dict()
    expected = STATE if 'head.weight' in state and len(state['head.weight']) == 5 else BODY
    expected = {name: value for name, value in expected.items() if not name.startswith('norm.')}
    found = {name: state[name] for name in expected}
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    (file,) = (tmp_path / 'home').rglob('*.pth')
    assert file.name == 'mila_tiny.pth'
    (tmp_path / 'site/a.pth').unlink()  # the file is kept: no second request
    build()


def test_maps_by_the_models_name(release):
    model = from_timm(features_only=True)
    assert torch.equal(
        model.state_dict()['model.patch_embed.conv1.conv.weight'], next(iter(STATE.values()))
    )


@pytest.mark.parametrize('build', [from_timm, backbone, classifier])
def test_the_digest_of_the_metafile_is_compared(release, build, tmp_path):
    release(sha256='0' * 64)
    with pytest.raises(CheckpointError, match='a.pth has sha256 .*, not the expected 0000'):
        build()
    assert not list((tmp_path / 'home').rglob('*.pth'))
    release(sha256=hashlib.sha256((tmp_path / 'site/a.pth').read_bytes()).hexdigest())
    build(**(dict(num_classes=7) if build is from_timm else {}))


def test_a_file_where_configs_look_for_it_is_compared_too(release, tmp_path):
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'site/a.pth').rename('checkpoints/mila_tiny.pth')
    backbone('checkpoints/mila_tiny.pth')
    release(sha256='0' * 64)
    with pytest.raises(CheckpointError, match='mila_tiny.pth has sha256 .*, not the expected 0000'):
        backbone('checkpoints/mila_tiny.pth')


@pytest.mark.parametrize('build', [from_timm, backbone, classifier])
def test_without_a_network(release, build):
    release(url='http://127.0.0.1:9/a.pth')
    with pytest.raises(CheckpointError) as caught:
        build()
    said = str(caught.value)
    assert 'could not be downloaded' in said and '`python tools/fetch.py mila_tiny`' in said
    assert said.endswith('home/hub/checkpoints/mila_tiny.pth.')


def test_a_model_without_released_weights(release):
    with pytest.raises(UsageError, match='No released weights are called study_rope'):
        timm.create_model('study_rope', pretrained=True)


def test_a_file_that_is_given_is_not_fetched(release, save_at):
    path = save_at(STATE)
    model = from_timm(num_classes=5, pretrained_cfg_overlay=dict(file=path, num_classes=5))
    torch.testing.assert_close(model.state_dict(), STATE, rtol=0, atol=0)


@pytest.fixture
def save_at(tmp_path):
    def save(content):
        torch.save(content, tmp_path / 'given.pth')
        return str(tmp_path / 'given.pth')

    return save


@pytest.mark.parametrize('prefix', ['backbone.', 'module.backbone.', '_orig_mod.backbone.'])
def test_prefixes_of_own_trainings_through_timm(save_at, prefix):
    path = save_at({'state_dict': prefixed(prefix), 'ema_state_dict': prefixed(prefix, OTHER)})
    model = timm.create_model('mila_tiny', checkpoint_path=path, **NANO)
    torch.testing.assert_close(model.state_dict(), STATE, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match='Missing key'):
        nano().load_state_dict(prefixed('neck.'))


@pytest.mark.parametrize('task', ['classification', 'recipe'])
def test_an_own_training_through_timm(trained, config, task):
    """Of a recipe with EMA those weights, as everywhere here."""
    path = trained(task) / LAST[task]
    model = dict(config(task).model.model)
    model = timm.create_model(model.pop('name'), checkpoint_path=str(path), **model)
    saved = torch.load(path, weights_only=True)['state_dict']
    for name, value in model.state_dict().items():
        assert torch.equal(value, saved[f'backbone.{name}'])
