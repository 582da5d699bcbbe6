"""Reading checkpoints: every format, nothing run, strict, and what the user is told."""

import hashlib
import os
import pickle
import sys
import types
from unittest.mock import patch

import pytest
import timm
import torch
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from safetensors.torch import save_file
from torch import nn

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_checkpoint, read_weights
from tests.checkpoints import NANO, OTHER, STATE, assert_loads, assert_refused, nano, prefixed


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
        assert_refused(path, r'holds (posix|nt)\.system, which is not plain data: refused')
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
    assert_refused(
        save(nano()), r'holds classification\.models\.mila\.MILA, which is not plain data'
    )


def test_unknown_classes_are_refused_by_name(save):
    thing = type('Thing', (), {'__module__': 'some.package'})
    with provided('some.package', thing):
        path = save({'model': STATE, 'config': thing()})
    assert_refused(
        path, r'holds some\.package\.Thing, which is not plain data: refused; save its tens'
    )


TRUNCATED = 'is truncated, damaged or not a checkpoint: download or save it again'
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


def test_the_set_asked_for(tmp_path):
    average, training = {'a': torch.ones(1)}, {'a': torch.zeros(1)}
    wrapped = {'module.a': training['a'], 'steps': torch.tensor(3)}
    for content in (
        dict(model=training, state_dict_ema=average),  # official
        dict(state_dict=average, ema_state_dict=wrapped),  # MMEngine
    ):
        torch.save(content, tmp_path / 'both.pth')
        for ema, expected in ((None, average), (True, average), (False, training)):
            found = read_weights(tmp_path / 'both.pth', ema=ema)
            assert found.state_dict == expected
            assert (found.is_ema, found.has_both) == (ema is not False, True)
    torch.save(dict(model_ema=average), tmp_path / 'one.pth')
    with pytest.raises(CheckpointError, match=r'one.pth holds averaged \(EMA\) weights only'):
        read_weights(tmp_path / 'one.pth', ema=False)
