"""Reading checkpoints: every format, nothing run, strict, and what the user is told."""

import argparse
import hashlib
import http.server
import os
import pickle
import sys
import threading
import types
from unittest.mock import patch

import numpy as np
import pytest
import timm
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from safetensors.torch import save_file
from torch import nn

from classification.engine import loading
from classification.engine.errors import CheckpointError
from classification.engine.loading import load_weights
from classification.engine.weights import read_checkpoint, read_weights
from classification.models import MILA

NANO = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), num_classes=5)
FIRST = 'patch_embed.conv1.conv.weight'


def nano(seed=0, **changes):
    torch.manual_seed(seed)
    return MILA(**{**NANO, **changes})


STATE = nano(1).state_dict()
OTHER = nano(2).state_dict()


@pytest.fixture
def lines(monkeypatch):
    """What loading weights told the user."""
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda line, **kwargs: said.append(line))
    return said


@pytest.fixture
def save(tmp_path):
    def save(content, name='file.pth', **kwargs):
        torch.save(content, tmp_path / name, **kwargs)
        return tmp_path / name

    return save


def prefixed(prefix, state=STATE):
    return {prefix + name: value for name, value in state.items()}


def assert_loads(source, expected=STATE, model=None, **kwargs):
    model = model or nano()
    load_weights(model, source, **kwargs)
    torch.testing.assert_close(model.state_dict(), expected, rtol=0, atol=0)


def assert_refused(source, message, model=None, **kwargs):
    """Refused in one sentence that names the file, before any weight has changed."""
    model = model or nano()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message) as caught:
        load_weights(model, source, **kwargs)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    sentence = str(caught.value)
    assert str(source) in sentence
    assert '\n' not in sentence and '. ' not in sentence and sentence.endswith('.')
    return sentence


class CfgNode(dict):
    """As yacs has it; files are written with it, and read where nothing provides it."""

    def __init__(self, **items):
        super().__init__(items)
        self.__dict__['__immutable__'] = True


CfgNode.__module__ = 'yacs.config'


def provided(module, thing):
    """While this holds, `module` is importable and has `thing`, which is pickled by that name."""
    parts = module.split('.')
    modules = {'.'.join(parts[: i + 1]): types.ModuleType(parts[i]) for i in range(len(parts))}
    setattr(modules[module], thing.__name__, thing)
    return patch.dict(sys.modules, modules)


@pytest.fixture
def official_file(save):
    """As the official trainer writes it: rotary tables, a pickled yacs config, an EMA."""
    rotary = {
        name.replace('qk.weight', 'rope.rotations'): torch.zeros(4, 4, 2, 2)
        for name in STATE
        if name.endswith('qk.weight')
    }
    with provided('yacs.config', CfgNode):
        return save(
            {
                'model': {**OTHER, **rotary},
                'optimizer': torch.optim.AdamW(nano().parameters()).state_dict(),
                'max_accuracy': 83.5,
                'epoch': 300,
                'config': CfgNode(MODEL=CfgNode(NAME='mlla_tiny', DEPTHS=[2, 4]), TAG=None),
                'state_dict_ema': {**STATE, **rotary},
            },
            'official.pth',
        )


# Formats


def test_official_file(official_file, lines):
    assert_loads(official_file)
    assert lines == [f'Loaded {len(STATE)} tensors (EMA) from {official_file} [state_dict_ema]']
    config = read_checkpoint(official_file)['config']
    assert config == {'MODEL': {'NAME': 'mlla_tiny', 'DEPTHS': [2, 4]}, 'TAG': None}


def test_official_file_through_timm(official_file):
    model = timm.create_model('mila_tiny', checkpoint_path=str(official_file), **NANO)
    torch.testing.assert_close(model.state_dict(), STATE, rtol=0, atol=0)


@pytest.mark.parametrize(
    'content, where, is_ema',
    [
        (STATE, '', False),
        ({'model': STATE, 'epoch': 3}, 'model', False),
        ({'state_dict': STATE, 'meta': {'epoch': 3}}, 'state_dict', False),
        ({'model': OTHER, 'state_dict_ema': STATE}, 'state_dict_ema', True),
        ({'model': OTHER, 'model_ema': STATE}, 'model_ema', True),  # VMamba, InternImage
        ({'state_dict': OTHER, 'state_dict_ema': STATE}, 'state_dict_ema', True),  # timm
        ({'state_dict': STATE, 'ema_state_dict': prefixed('module.', OTHER)}, 'state_dict', True),
        ({'model': STATE, 'state_dict_ema': {}, 'model_ema': None}, 'model', False),
    ],
    ids=['plain', 'model', 'state_dict', 'official', 'vmamba', 'timm', 'mmengine', 'empty-ema'],
)
def test_formats(save, lines, content, where, is_ema):
    path = save(content)
    assert_loads(str(path))
    assert lines == [
        f'Loaded {len(STATE)} tensors{" (EMA)" if is_ema else ""} from {path}'
        + (f' [{where}]' if where else '')
    ]


@pytest.mark.parametrize(
    'prefix',
    [
        'module.',
        '_orig_mod.',
        'module._orig_mod.',
        '_orig_mod.module.',
        'backbone.',
        'module.backbone.',
        'backbone._orig_mod.',
        '_orig_mod.module.backbone.',
    ],
)
def test_prefixes(save, prefix):
    assert_loads(save({'state_dict': prefixed(prefix)}))


def test_a_backbone_in_and_out_of_a_whole_model(save, lines):
    detector = {**prefixed('backbone.'), 'rpn_head.weight': torch.zeros(1), 'neck.b': torch.ones(2)}
    assert_loads(save({'state_dict': detector}))
    assert lines[0].endswith('; left in the file: neck, rpn_head')

    whole = nn.ModuleDict({'backbone': nano(), 'neck': nn.Linear(2, 2)})
    assert_refused(save(STATE), r'2 missing \(neck.weight; neck.bias\)', whole)
    load_weights(whole, save(STATE), missing=['neck.'])
    torch.testing.assert_close(whole.backbone.state_dict(), STATE)
    assert lines[-1].endswith('; not in the file, initialised: neck')


def test_safetensors(tmp_path):
    save_file(prefixed('module.'), tmp_path / 'file.safetensors')
    assert_loads(tmp_path / 'file.safetensors')


def test_a_safetensors_header_that_looks_like_a_web_page(tmp_path):
    """A file begins with its header's length, and 0x3c20 reads ' <'."""
    path = tmp_path / 'file.safetensors'
    state = {'weight': torch.ones(2)}
    save_file(state, path, metadata={'note': ''})
    length = int.from_bytes(path.read_bytes()[:8], 'little')
    save_file(state, path, metadata={'note': 'x' * (0x3C20 - length)})
    assert path.read_bytes().startswith(b' <')
    torch.testing.assert_close(read_weights(path).state_dict, state)


def test_older_files_of_torch(save):
    assert_loads(save({'model': STATE}, _use_new_zipfile_serialization=False))


def test_half_precision_files_keep_the_models_dtype(save):
    model = nano()
    load_weights(model, save({name: value.half() for name, value in STATE.items()}))
    assert model.head.weight.dtype == torch.float32
    torch.testing.assert_close(model.head.weight, STATE['head.weight'].half().float())


@pytest.mark.parametrize(
    'extra',
    [
        argparse.Namespace(lr=1e-3, tags=['a']),
        ConfigDict(model=dict(depths=[1, 2])),
        HistoryBuffer([1.0, 2.0], [1, 1]),
        np.float64(0.5),
        np.int64(3),
        np.bool_(True),
        np.array([[1, 2]]),
        np.array(['a', 'bc']),
        {'seed': (0, np.arange(3, dtype=np.uint8))},
    ],
    ids=lambda extra: type(extra).__name__,
)
def test_inert_objects_are_read(save, extra):
    path = save({'model': STATE, 'extra': extra})
    assert plain(read_checkpoint(path)['extra']) == plain(extra)
    assert_loads(path)


def plain(value):
    if isinstance(value, HistoryBuffer):
        value = value.data
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def test_timms_loader_leaves_the_allow_list_whole(save):
    path = save({'model': STATE, 'args': argparse.Namespace(lr=1e-3)})
    timm.models.load_state_dict(str(path))  # takes Namespace off torch's list afterwards
    assert read_checkpoint(path)['args'] == argparse.Namespace(lr=1e-3)


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return {'loss': self.backbone(inputs).square().mean()}


def test_a_checkpoint_of_mmengines_runner(tmp_path, lines):
    """Log history, optimizer and EMA as they are really written; the EMA hook swaps the two."""
    runner = Runner(
        model=Toy(),
        work_dir=str(tmp_path),
        train_dataloader=dict(
            dataset=[dict(inputs=torch.ones(2))] * 4,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            batch_size=2,
        ),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=dict(type='LinearLR', start_factor=0.1),
        custom_hooks=[dict(type='EMAHook', momentum=0.5)],
        experiment_name=tmp_path.name,
    )
    runner.train()
    path = tmp_path / 'epoch_2.pth'
    assert read_checkpoint(path)['message_hub']['log_scalars']['train/loss'].current() > 0

    found = read_weights(path)
    (average,) = (hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook))
    assert found.is_ema
    torch.testing.assert_close(found.state_dict, dict(average.state_dict()))
    raw = read_checkpoint(path)['ema_state_dict']['module.backbone.weight']
    assert not torch.equal(found.state_dict['backbone.weight'], raw)


# What is refused


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
def test_code_is_refused_and_not_run(save, tmp_path):
    marker = tmp_path / 'marker'

    class Code:
        def __reduce__(self):
            return os.system, (f'touch {marker}',)

    for kwargs in ({}, dict(_use_new_zipfile_serialization=False)):
        path = save({'model': STATE, 'config': Code()}, **kwargs)
        assert_refused(path, r'holds (posix|nt)\.system, which may run code: refused')
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        path.write_bytes(pickle.dumps(Code(), protocol=protocol))
        assert_refused(path, 'file.pth')
    with pytest.raises(RuntimeError):
        timm.create_model('mila_tiny', checkpoint_path=str(path), **NANO)
    assert not marker.exists()


@pytest.mark.parametrize('reduced', [(eval, ('1',)), (getattr, ('', 'join')), (nn.Linear, (2, 2))])
def test_other_callables_are_refused(save, reduced):
    class Code:
        def __reduce__(self):
            return reduced

    assert_refused(save({'model': STATE, 'x': Code()}), f'holds .*{reduced[0].__name__}, which')


def test_a_whole_pickled_model_is_refused(save):
    assert_refused(save(nano()), r'holds classification\.models\.mila\.MILA, which may run code')


def test_unknown_classes_are_refused_by_name(save):
    thing = type('Thing', (), {'__module__': 'some.package'})
    with provided('some.package', thing):
        path = save({'model': STATE, 'config': thing()})
    assert_refused(path, r'holds some\.package\.Thing, which may run code: refused; save its tens')


TRUNCATED = 'is truncated or not a checkpoint: download or save it again'
WEB_PAGE = 'is a web page, not a checkpoint: download the file behind its link'


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize(
    'content, said',
    [
        (b'', 'is empty: download or save it again'),
        (b'<!DOCTYPE html><html><body>Sign in</body></html>', WEB_PAGE),
        (b'\n  <html lang="en">', WEB_PAGE),
        (b'<?xml version="1.0"?><Error>AccessDenied</Error>', WEB_PAGE),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', TRUNCATED),
        (b'{"error": "not found"}', TRUNCATED),
        (b'\x89PNG\r\n\x1a\n' + bytes(100), TRUNCATED),
        (b'hello world', TRUNCATED),
        (bytes(1000), TRUNCATED),
    ],
    ids=['empty', 'html', 'html-later', 'xml', 'lfs', 'json', 'png', 'text', 'zeros'],
)
def test_files_that_are_no_checkpoints(tmp_path, content, said, suffix):
    (tmp_path / f'file{suffix}').write_bytes(content)
    assert_refused(tmp_path / f'file{suffix}', said)


@pytest.mark.parametrize('kept', [1, 10, 1000, 0.5, 0.99, 0.9999])
@pytest.mark.parametrize('kind', ['zip', 'older', 'safetensors'])
def test_truncated_files(tmp_path, save, kind, kept):
    if kind == 'safetensors':
        path = tmp_path / 'file.safetensors'
        save_file(STATE, path)
    else:
        path = save({'model': STATE}, _use_new_zipfile_serialization=kind == 'zip')
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept >= 1 else int(kept * len(content))])
    assert_refused(path, TRUNCATED)


@pytest.mark.parametrize(
    'content, keys',
    [
        ({'epoch': 3, 'lr': 0.1}, r"\['epoch', 'lr'\]"),
        ({'model': {'depth': 3}}, r"\['model'\]"),
        ({'model': {0: torch.zeros(1)}}, r"\['model'\]"),
        ({}, r'\[\]'),
        ([1, 2], 'list'),
        (torch.zeros(3), 'Tensor'),
    ],
    ids=str,
)
def test_files_without_weights(save, content, keys):
    assert_refused(save(content), rf'holds no weights \({keys}\): expected a state dict')


def test_missing_files(tmp_path):
    assert_refused(tmp_path / 'none.pth', 'does not exist: check the path')


@pytest.mark.parametrize('digits', [8, 64])
def test_digest(save, digits):
    path = save(STATE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:digits]
    assert_loads(path, sha256=digest)
    assert_loads(path, sha256=digest.upper())
    wrong = f'{int(digest[0], 16) ^ 1:x}{digest[1:]}'
    assert_refused(path, f'not the expected {wrong}: download it again', sha256=wrong)


# Strictness


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(depths=(1, 1, 3, 1)), r'24 missing \(layers\.2\.blocks\.2\.cpe1\.weight; '),
        (dict(depths=(1, 1, 1, 1)), r'24 unexpected \(layers\.2\.blocks\.1\.cpe1\.weight; '),
        (dict(embed_dim=16), rf'of another shape \({FIRST} is \(4, 3, 3, 3\), the model has \(8, '),
        (dict(num_classes=7), r'2 of another shape \(head\.weight is \(5, 64\), .* \(7, 64\); he'),
        (dict(num_classes=0), r'2 unexpected \(head\.weight; head\.bias\)'),
    ],
    ids=str,
)
def test_another_model(save, changes, said):
    sentence = assert_refused(save({'model': STATE}), said, nano(**changes))
    assert sentence.count(';') <= 8  # the first few names, not all
    assert sentence.endswith('give the file of this architecture and size.')


def test_a_foreign_file(save):
    assert_refused(
        save(timm.create_model('resnet18').state_dict()),
        rf'187 missing \({FIRST}; .*; …\), 122 unexpected \(conv1\.weight; bn1',
    )


def test_announced_differences_are_allowed_and_said(save, lines):
    model = nano(num_classes=0)
    assert_loads(
        save({'model': STATE}),
        {n: v for n, v in STATE.items() if n in model.state_dict()},
        model,
        unexpected=['head.'],
    )
    assert lines[-1].endswith('[model]; left in the file: head')

    kept = nano().head.weight.clone()
    model = nano()
    load_weights(model, save(nano(1, num_classes=0).state_dict()), missing=['head.'])
    assert lines[-1].endswith('; not in the file, initialised: head')
    torch.testing.assert_close(model.head.weight, kept)


# Addresses


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A web site of this process: `site.files` by path, `site.asked` the requests made."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append(self.path)
            content = site.files.get(self.path)
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content[: site.cut])

        def log_message(self, *args):
            pass

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('no_proxy', '*')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    site = types.SimpleNamespace(
        files={}, asked=[], cut=None, url=f'http://127.0.0.1:{server.server_port}'
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def test_addresses_are_downloaded_once(site, save):
    content = save({'model': STATE}).read_bytes()
    other = save({'model': OTHER}).read_bytes()
    site.files = {'/f/1a/?dl=1': content, '/v1/a.pth': content, '/v2/a.pth': other}
    for _ in range(2):
        assert_loads(f'{site.url}/f/1a/?dl=1')
        assert_loads(f'{site.url}/v1/a.pth', sha256=hashlib.sha256(content).hexdigest())
        assert_loads(f'{site.url}/v2/a.pth', OTHER)
    assert site.asked == list(site.files)


def test_an_address_of_safetensors(site, tmp_path):
    save_file(STATE, tmp_path / 'file.safetensors')
    site.files['/a.safetensors?download=true'] = (tmp_path / 'file.safetensors').read_bytes()
    assert_loads(f'{site.url}/a.safetensors?download=true')


def test_bad_downloads_are_not_kept(site, save):
    url = f'{site.url}/weights.pth'
    content = save({'model': STATE}).read_bytes()
    site.files['/weights.pth'] = b'<html>Please sign in</html>'
    with pytest.raises(CheckpointError, match='weights.pth is a web page'):
        read_weights(url)
    site.files['/weights.pth'] = content
    with pytest.raises(CheckpointError, match='not the expected abc'):
        read_weights(url, sha256='abc')
    site.cut = len(content) // 2
    with pytest.raises(CheckpointError, match='truncated|could not be downloaded'):
        read_weights(url)
    site.cut = None
    assert_loads(url)


def test_unreachable_addresses(site):
    assert_refused(f'{site.url}/none.pth', r'could not be downloaded \(HTTP Error 404')
    assert_refused('http://127.0.0.1:9/a.pth', r'could not be downloaded \(.*refused')
