"""engine/running/checkpoints.py: loading, resuming, and files written whole."""

import pytest
import torch
from mmengine.runner import Runner as MMRunner

from classification.engine.errors import CheckpointError
from classification.engine.running.runner import Runner
from classification.engine.weights.formats import read_checkpoint


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
    with pytest.raises(CheckpointError, match='other.pth does not fit'):
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
        (here / 'w/.partial-epoch_1.pth').write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr('mmengine.fileio.backends.local_backend.LocalBackend.put', interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.save_checkpoint('w', 'epoch_1.pth')
    assert (here / 'w/epoch_1.pth').read_bytes() == before


@pytest.mark.parametrize('file', ['epoch_1.pth', 'interrupted.pth'])
def test_another_batch_size_is_said(file, config, here, monkeypatch):
    """And no batch is left out as done: 2 batches of 8 images were an epoch, 4 of 4 are now."""
    half = {'train_dataloader.dataset.indices': 16, 'train_dataloader.batch_size': 8}
    runner = build(config('recipe', **half))
    runner.train_loop._epoch, runner.train_loop._iter = 1, 2 + (file == 'interrupted.pth')
    meta = dict(epoch=1, iter=runner.iter)
    runner.save_checkpoint('w', file, save_param_scheduler=False, meta=meta)
    said = []
    runner = build(config('recipe', **{**half, 'train_dataloader.batch_size': 4}))
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    runner.resume(f'w/{file}', resume_param_scheduler=False)
    assert runner.iter == 4 and runner.train_loop.dataloader.batch_sampler.skip == 0
    (line,) = (line for line in said if 'was trained with' in line)
    assert (
        'images per update: 8, iterations per epoch: 2; this run has processes: 1, images' in line
    )


def test_the_same_division_is_not_mentioned(trained, config, monkeypatch):
    said = []
    runner = build(config('classification'))
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    runner.resume(trained('classification') / 'epoch_1.pth', resume_param_scheduler=False)
    assert not [line for line in said if 'was trained with' in line]
