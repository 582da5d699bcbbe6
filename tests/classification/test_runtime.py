"""classification/runtime.py: configs, checkpoints that load and resume, errors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner as MMRunner

from classification import runtime
from classification.data import DataError
from classification.runtime import Runner, UsageError, load_config
from classification.weights import CheckpointError, read_checkpoint

FIXTURES = Path(__file__).parents[1] / 'fixtures'


def test_a_config_knows_where_to_write_and_has_a_seed(here):
    cfg = load_config(FIXTURES / 'classification.py', {'train_dataloader.batch_size': 3})
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.work_dir == 'work_dirs/classification'
    assert cfg.randomness.seed == 0
    (here / 'c.py').write_text('work_dir = "mine"\nrandomness = dict(seed=5, deterministic=True)')
    cfg = load_config('c.py')
    assert (cfg.work_dir, cfg.randomness.seed, cfg.randomness.deterministic) == ('mine', 5, True)
    assert load_config('c.py', work_dir='cli').work_dir == 'cli'


@pytest.mark.parametrize(
    'text, expected',
    [
        ('model = dict(', r'Config c.py cannot be used: SyntaxError'),
        ('_base_ = "none.py"', r'Config c.py cannot be used: .*none.py'),
        ('model = undefined', r"Config c.py cannot be used: NameError, .*'undefined'"),
        ('custom_imports = dict(imports=["no_module"])', r'c.py cannot be used: .*no_module'),
        (None, r'Config c.py does not exist: did you mean configs/cc.py\?'),
    ],
)
def test_a_config_that_cannot_be_used(text, expected, here):
    (here / 'configs').mkdir()
    (here / 'configs/cc.py').touch()
    if text:
        (here / 'c.py').write_text(text)
    with pytest.raises(UsageError, match=expected) as error:
        load_config('c.py')
    assert '\n' not in str(error.value)


def test_the_command_line(capsys, here):
    parser = runtime.config_parser('Text.')
    assert parser.parse_args(['c.py', '--cfg-options', 'a.b=[1,2]']).cfg_options == {'a.b': [1, 2]}
    assert parser.parse_args(['c.py']).cfg_options == {}
    with pytest.raises(SystemExit):
        parser.parse_args(['c.py', '--cfg-options', 'a'])
    assert "takes KEY=VALUE, not 'a'" in capsys.readouterr().err
    with pytest.raises(UsageError, match='for torchrun'):
        load_config(FIXTURES / 'classification.py', launcher='pytorch')


def build(cfg):
    """A runner with everything built and nothing run."""
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.call_hook('before_run')
    return runner


def test_weights_of_any_format_load_and_reach_the_average(config, trained):
    file = trained('detection') / 'epoch_2.pth'
    expected = read_checkpoint(file)['state_dict']
    plain = {f'module.{name}': value for name, value in expected.items()}
    torch.save(plain, 'plain.pth')
    for path in (file, 'plain.pth'):
        runner = build(config('detection'))
        runner.load_checkpoint(path)
        average = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook').ema_model.module
        for model in (runner.model, average):
            state = model.state_dict()
            assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_a_file_of_weights_cannot_be_resumed(config, trained):
    state = read_checkpoint(trained('classification') / 'epoch_2.pth')
    torch.save(state['state_dict'], 'weights.pth')
    with pytest.raises(CheckpointError, match='weights.pth cannot be resumed, it has no'):
        build(config('classification')).resume('weights.pth')
    state['state_dict'].popitem()
    torch.save(state, 'other.pth')
    with pytest.raises(CheckpointError, match='other.pth does not fit this config'):
        build(config('classification')).resume('other.pth')


def test_resuming_runs_nothing_from_the_file(config, trained, here):
    """MMEngine executes meta['config'] of what it resumes: shown first, so that this can fail."""
    state = read_checkpoint(trained('classification') / 'epoch_1.pth')
    state['meta']['config'] = "open('hacked', 'w').close()\n"
    torch.save(state, 'evil.pth')
    MMRunner.resume(build_stock(config('classification')), 'evil.pth')
    assert (here / 'hacked').exists()
    (here / 'hacked').unlink()
    runner = build(config('classification'))
    runner.resume('evil.pth')
    assert runner.epoch == 1
    assert not (here / 'hacked').exists()


def test_processes_without_gpus_share_no_gpu_and_no_batch_norm(monkeypatch):
    seen = {}
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(MMRunner, 'wrap_model', lambda _, cfg, model: seen.update(cfg) or model)
    runner = Runner.__new__(Runner)
    runner._distributed, runner.cfg = True, Config(dict(find_unused_parameters=True))
    model = runner.wrap_model(None, torch.nn.Sequential(torch.nn.SyncBatchNorm(2)))
    assert not isinstance(model[0], torch.nn.SyncBatchNorm)
    assert model(torch.zeros(2, 2, 1, 1)).shape == (2, 2, 1, 1)
    assert seen == dict(device_ids=None, broadcast_buffers=False, find_unused_parameters=True)
    runner.wrap_model(dict(type='X', broadcast_buffers=True), model)
    assert seen['type'] == 'X' and seen['broadcast_buffers'] and seen['device_ids'] is None


def build_stock(cfg):
    runner = MMRunner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    return runner


def test_a_checkpoint_is_written_whole_or_not_at_all(config, here, monkeypatch):
    runner = build(config('classification'))
    runner.save_checkpoint('w', 'epoch_1.pth')
    before = (here / 'w/epoch_1.pth').read_bytes()
    assert [p.name for p in (here / 'w').iterdir() if p.suffix in ('.pth', '.partial')] == [
        'epoch_1.pth'
    ]

    def interrupted(*args):
        (here / 'w/.epoch_1.pth.partial').write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr('mmengine.fileio.backends.local_backend.LocalBackend.put', interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.save_checkpoint('w', 'epoch_1.pth')
    assert (here / 'w/epoch_1.pth').read_bytes() == before


def test_one_checkpoint_is_always_there(config):
    cfg = config('classification')
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
    hooks = build(cfg).hooks
    assert [h.max_keep_ckpts for h in hooks if hasattr(h, 'max_keep_ckpts')] == [2]


@pytest.mark.parametrize(
    'error, sentence',
    [
        (UsageError('Do this.'), 'Do this.'),
        (
            DataError(
                'Caught DataError.\n  Traceback\nclassification.data.DataError: x.png is bad.'
            ),
            'x.png is bad.',
        ),
        (KeyError('X is not in the mmengine::model registry. Please check'), 'X is not in the'),
        (TypeError("M.__init__() got an unexpected keyword argument 'a'"), "argument 'a'"),
    ],
)
def test_an_expected_error_is_a_sentence(error, sentence, capsys):
    with pytest.raises(SystemExit) as stop, runtime.errors_in_one_sentence():
        raise error
    err = capsys.readouterr().err
    assert stop.value.code == 1
    assert err.startswith('error: ') and sentence in err and err.count('\n') == 1


@pytest.mark.parametrize('error', [ValueError('bug'), KeyError('bug'), TypeError('bug')])
def test_an_unexpected_error_keeps_its_traceback(error):
    with pytest.raises(type(error), match='bug'), runtime.errors_in_one_sentence():
        raise error


def test_of_processes_that_start_one_speaks(monkeypatch, capsys):
    monkeypatch.setenv('LOCAL_RANK', '1')
    with pytest.raises(SystemExit), runtime.errors_in_one_sentence():
        raise UsageError('Do this.')
    assert capsys.readouterr().err == ''
