"""engine/running/non_finite.py: NaN and infinity reach no weights, and end the training."""

from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from classification.engine.errors import Stopped
from classification.engine.running.runner import Runner
from classification.engine.weights.formats import read_checkpoint


class Spoil(Hook):
    """Make the images or a gradient of some iterations, counted from 1, not finite."""

    def __init__(self, iterations, images=float('nan'), gradient=None):
        self.iterations, self.images, self.gradient = iterations, images, gradient

    def before_train(self, runner):
        self.weight = next(runner.model.parameters())
        self.weight.register_hook(self.spoil)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.now = runner.iter + 1 in self.iterations
        if self.now and self.gradient is None:
            images = data_batch['inputs']
            (images if isinstance(images, torch.Tensor) else images[0]).fill_(self.images)

    def spoil(self, gradient):
        return gradient * self.gradient if self.now and self.gradient else gradient


def build(cfg, *hooks):
    runner = Runner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


@pytest.mark.parametrize('gradient', [None, float('nan'), float('inf')])
@pytest.mark.parametrize('accumulated', [1, 2])
def test_a_single_one_is_left_out(gradient, accumulated, config, here, monkeypatch):
    said = []
    cfg = config('recipe', **{'optim_wrapper.accumulative_counts': accumulated})
    cfg.train_cfg.max_epochs = 2
    runner = build(cfg, Spoil([3], gradient=gradient))
    monkeypatch.setattr(runner.logger, 'error', said.append)
    runner.train()
    state = read_checkpoint(here / 'w/epoch_2.pth')
    tensors = [*state['state_dict'].values(), *state['ema_state_dict'].values()]
    assert all(value.isfinite().all() for value in tensors)
    # A loss is told in its iteration, gradients in that of the update.
    expected = [3] if accumulated == 1 else [4] if gradient else [3, 4]
    assert len(said) == len(expected)
    for line, iteration in zip(said, expected, strict=True):
        assert f'Iteration {iteration} is not finite (learning rate' in line
        assert '/train/' in line and '; 5 end the training' in line
    assert ', gradients of backbone.' in said[-1]


def test_the_file_for_inspection(config, here):
    build(config('recipe'), Spoil([2])).train()
    report = torch.load(here / 'w/non_finite.pt', weights_only=True)
    assert (report['iter'], report['epoch'], report['rank'], report['seed']) == (2, 1, 0, 0)
    assert report['lr'] > 0 and str(report['losses']['loss']) == 'nan'
    assert report['batch']['inputs'].isnan().all() and report['batch']['targets'].shape == (4,)
    labels = [int(Path(image).parent.name[0]) for image in report['images']]
    assert labels == report['batch']['targets'].tolist()
    assert all(value.isfinite().all() for value in report['state_dict'].values())


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_images_of_other_tasks(task, config, here):
    build(config(task), Spoil([3], images=255, gradient=float('nan'))).train()
    report = torch.load(here / 'w/non_finite.pt', weights_only=True)
    assert len(report['images']) == 2 and all(Path(image).is_file() for image in report['images'])
    assert len(report['batch']['inputs']) == 2 and len(report['gradients']) >= 1


@pytest.mark.parametrize('iterations, limit, last', [([2, 3, 4, 6, 7], 4, None), ([2, 3, 4], 3, 4)])
def test_some_in_a_row_end_the_training(iterations, limit, last, config, here):
    cfg = config('recipe', **{'default_hooks.non_finite': dict(limit=limit)})
    runner = build(cfg, Spoil(iterations))
    if last is None:
        runner.train()
        return
    with pytest.raises(Stopped, match=f'The last 3 updates up to iteration {last} had a loss or'):
        runner.train()
    assert runner.iter + 1 == last


def test_a_training_that_diverges_fails(fails, here):
    """It went on to the end, wrote checkpoints of NaN and called one of them the best."""
    options = [
        'optim_wrapper.optimizer.lr=1e12',
        'param_scheduler=None',
        'optim_wrapper.clip_grad=None',
    ]
    sentence = fails('train', 'recipe', '--work-dir', 'w', '--cfg-options', *options)
    assert 'not finite' in sentence and '--resume' in sentence and 'learning rate' in sentence
    for path in here.glob('w/*.pth'):
        state = read_checkpoint(path)
        assert all(value.isfinite().all() for value in state['state_dict'].values())


def test_no_checkpoint_of_weights_that_are_not_finite(config, here):
    class Break(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 5:
                next(runner.model.parameters()).data.view(-1)[0] = float('inf')

    runner = build(config('recipe', **{'default_hooks.non_finite': None}), Break())
    with pytest.raises(Stopped, match='no checkpoint is written: .* is not finite'):
        runner.train()
    assert [path.name for path in here.glob('w/*.pth')] == ['epoch_1.pth']


def test_overflows_of_the_loss_scale_do_not_count(config, monkeypatch):
    module = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{module}.is_cuda_available', lambda: True)
    monkeypatch.setattr(f'{module}.GradScaler', partial(torch.amp.GradScaler, 'cpu'))

    def run(scale):
        cfg = config('recipe', **{'default_hooks.non_finite': dict(limit=2)})
        cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=scale)
        build(cfg, Spoil(range(2, 6), images=1, gradient=float('inf'))).train()

    run(dict(init_scale=64.0))  # 32, 16, 8, 4
    for scale in (dict(init_scale=4.0), 64.0):  # 2, then 1 counts; a fixed scale cannot fall
        with pytest.raises(Stopped, match='The last 2 updates'):
            run(scale)
