"""tools/convert_weights.py: round trips in every format, the card, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open

import classification  # noqa: F401  registers its models
from classification.engine.weights.formats import read_checkpoint, read_weights
from classification.models import MILA
from tests.helpers import ROOT

NANO = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4))
CONFIG = """
custom_imports = dict(imports=['classification'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='ImageClassifier', model=dict(name='{name}', drop_path_rate=0.1, **{args}))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='ReadImage'), dict(type='TimmTransform', input_size=64, crop_pct=1.0)]))
"""


@pytest.fixture(scope='module')
def oracle():
    """A tiny instance of the official classifier: weights, input, logits."""
    return torch.load(ROOT / 'tests/data/mila_nano.pth', weights_only=True)['classification']


@pytest.fixture
def convert(script, tmp_path, monkeypatch):
    """A function: arguments -> what tools/convert_weights.py does in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: script('convert_weights').main([*map(str, args)])


@pytest.fixture
def official(oracle, convert):
    """The oracle's file, with other weights in training, and its config."""
    other = {
        k: v + 1 if v.is_floating_point() else v for k, v in oracle['checkpoint']['model'].items()
    }
    torch.save({'model': other, 'state_dict_ema': oracle['checkpoint']['model']}, 'official.pth')
    text = CONFIG.format(name='mila_tiny', args=dict(num_classes=10, **NANO))
    Path('config.py').write_text(text)
    return 'official.pth', '--config', 'config.py'


def timm_logits(path, images, **args):
    return timm.create_model('mila_tiny', checkpoint_path=path, **args).eval()(images)


@pytest.mark.parametrize(
    'target, name', [('timm', 'out/a.pth'), ('safetensors', 'a.safetensors'), ('official', 'a.pth')]
)
def test_timm_reads_the_file_with_the_same_logits(target, name, convert, official, oracle):
    convert(*official, '--to', target, '--out', name)
    logits = timm_logits(name, oracle['input'], num_classes=10, **NANO)
    torch.testing.assert_close(logits, oracle['logits'], rtol=1e-5, atol=1e-6)
    name = Path(name)
    Path('usual').touch()
    assert name.stat().st_mode == Path('usual').stat().st_mode
    assert sorted(name.parent.glob('*a.*')) == [name, name.with_name(f'{name.name}.json')]


def test_the_official_file_is_the_official_one(convert, official, oracle):
    """Names, shapes and values, rotary tables included, which official code loads strictly."""
    convert(*official, '--to', 'official', '--out', 'a.pth')
    assert read_checkpoint('a.pth').keys() == {'model'}
    torch.testing.assert_close(read_checkpoint('a.pth')['model'], oracle['checkpoint']['model'])
    with pytest.raises(SystemExit):
        convert(*official, '--to', 'official', '--out', 'b.pth', '--input-size', 240)
    assert not Path('b.pth').exists()


def test_weights_in_training(convert, official, oracle):
    convert(*official, '--to', 'timm', '--out', 'a.pth', '--no-ema')
    weight = read_weights('a.pth').state_dict['head.weight']
    torch.testing.assert_close(weight, oracle['checkpoint']['model']['head.weight'] + 1)
    assert json.loads(Path('a.pth.json').read_text())['ema'] is False


def test_card(convert, official):
    metrics = {'accuracy/top1': 12.5}
    Path('metrics.json').write_text(json.dumps(metrics))
    convert(*official, '--to', 'safetensors', '--out', 'a.safetensors', '--metrics', 'metrics.json')
    card = json.loads(Path('a.safetensors.json').read_text())
    assert card == dict(
        file='a.safetensors',
        sha256=hashlib.sha256(Path('a.safetensors').read_bytes()).hexdigest(),
        format='safetensors',
        architecture='mila_tiny',
        num_classes=10,
        parameters=sum(p.numel() for p in MILA(num_classes=10, **NANO).parameters()),
        model_args=json.loads(json.dumps(NANO)),
        pretrained_cfg=dict(
            input_size=[3, 64, 64],
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
            interpolation='bilinear',
            crop_pct=1.0,
        ),
        ema=True,
        source='official.pth',
        metrics=metrics,
    )
    with safe_open('a.safetensors', 'pt') as file:
        assert file.metadata() == dict(format='pt', architecture='mila_tiny', num_classes='10')


@pytest.mark.parametrize('ema, expected', [('--ema', 3), ('--no-ema', 2)])
def test_metrics_are_those_of_the_written_set(ema, expected, convert, official):
    metrics = {'accuracy/top1': 2, 'accuracy/ema_top1': 3}
    Path('metrics.json').write_text(json.dumps(metrics))
    convert(*official, '--to', 'timm', '--out', 'a.pth', '--metrics', 'metrics.json', ema)
    assert json.loads(Path('a.pth.json').read_text())['metrics'] == {'accuracy/top1': expected}


@pytest.mark.parametrize(
    'name, args',
    [
        ('vmamba_tiny', dict(embed_dim=8, depths=(1, 1, 1, 1))),
        ('study_mamba', dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))),
        ('mambaout_femto', dict(depths=(1, 1, 1, 1), dims=(8, 8, 8, 16))),
    ],
)
def test_other_models(name, args, convert, fails):
    model = timm.create_model(name, num_classes=3, **args).eval()
    torch.save({'state_dict': {f'backbone.{k}': v for k, v in model.state_dict().items()}}, 'm.pth')
    Path('config.py').write_text(CONFIG.format(name=name, args=dict(num_classes=3, **args)))
    convert('m.pth', '--config', 'config.py', '--to', 'timm', '--out', 'a.pth')
    again = timm.create_model(name, num_classes=3, checkpoint_path='a.pth', **args).eval()
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(images), model(images), rtol=0, atol=0)
    official = ('m.pth', '--config', 'config.py', '--to', 'official', '--out', 'b.pth')
    if name == 'vmamba_tiny':
        convert(*official)
        assert read_checkpoint('b.pth')['model'].keys() == model.state_dict().keys()
    else:
        assert 'has no official format' in fails('convert_weights', *official)


def test_nothing_is_overwritten_or_left_half(convert, official, fails, monkeypatch):
    Path('a.pth').write_text('mine')
    arguments = (*official, '--to', 'timm', '--out')
    assert 'a.pth exists and is not overwritten' in fails('convert_weights', *arguments, 'a.pth')
    assert Path('a.pth').read_text() == 'mine'
    Path('b.pth.json').write_text('mine')
    assert 'b.pth.json exists' in fails('convert_weights', *arguments, 'b.pth')

    def full(content, path):
        Path(path).write_text('half')
        raise OSError('No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    before = set(Path().iterdir())
    with pytest.raises(OSError, match='No space'):
        convert(*arguments, 'c.pth')
    assert set(Path().iterdir()) == before


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['none.pth', '--to', 'timm', '--out', 'a.pth'], 'none.pth does not exist'),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.safetensors'],
            'timm tells the formats by suffix',
        ),
        (
            ['plain.pth', '--to', 'safetensors', '--out', 'a.pth'],
            'timm tells the formats by suffix',
        ),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.pth', '--ema'],
            'holds no averaged (EMA) weights',
        ),
        (['plain.pth', '--to', 'timm', '--out', 'a.pth'], 'plain.pth fits no released size'),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.pth', '--name', 'mila_tiny'],
            'plain.pth does not fit MILA',
        ),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.pth', '--metrics', 'none.json'],
            'none.json holds no metrics',
        ),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.pth', '--name', 'mila_tinny'],
            "timm has no model 'mila_tinny'; near it: mila_tiny",
        ),
        (
            ['plain.pth', '--to', 'timm', '--out', 'a.pth', '--config', 'other.py'],
            'other.py has no ImageClassifier',
        ),
    ],
)
def test_refused(arguments, sentence, convert, fails):
    torch.save({'head.weight': torch.zeros(2, 3)}, 'plain.pth')
    Path('other.py').write_text("model = dict(type='MaskRCNN')")
    assert sentence in fails('convert_weights', *arguments)
    assert not {path.name for path in Path().iterdir()} - {'plain.pth', 'other.py'}
