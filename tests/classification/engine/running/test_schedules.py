"""engine/running/schedules.py: rates by updates, however many processes and batches."""

import math

import pytest
from mmengine.config import Config

from classification.engine.running.runner import Runner
from classification.engine.running.schedules import StepSchedulers
from tests.helpers import ROOT

SCHEDULE = ROOT / 'configs/_base_/schedules/imagenet_300e.py'


# Processes, images of each, batches of each update and images of each process: the same update.
@pytest.mark.parametrize(
    'processes, batch, accumulated, images',
    [
        (1, 4, 1, 16),
        (1, 2, 2, 16),
        (1, 1, 4, 16),
        (2, 2, 1, 8),
        (2, 1, 2, 8),
        (4, 1, 1, 4),
    ],
)
def test_the_learning_rate_of_each_update(processes, batch, accumulated, images, config):
    """Linear from 1/1000 to the peak in 20 epochs, then a cosine to 1/100, update by update."""
    cfg = config('recipe')
    schedule = Config.fromfile(SCHEDULE)
    for name in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr'):
        cfg[name] = schedule[name]
    cfg.optim_wrapper.accumulative_counts = accumulated
    cfg.train_dataloader.batch_size = batch
    cfg.train_dataloader.dataset.indices = images
    runner = Runner.from_cfg(cfg)
    runner._world_size = processes
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    optim = runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(optim, runner.auto_scale_lr)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    hook = next(hook for hook in runner.hooks if isinstance(hook, StepSchedulers))

    rates = []
    for _ in range(runner.max_iters):
        optim._inner_count += 1
        if optim.should_update():
            rates += optim.get_lr()['lr'][:1]
        hook.after_train_iter(runner, 0)

    peak, warm, total = 5e-4 * 4 / 512, 20 * 4, 300 * 4
    assert len(rates) == total
    for i, rate in enumerate(rates):
        if i < warm:
            expected = 1e-3 + (1 - 1e-3) * i / (warm - 1)
        else:
            expected = 0.01 + 0.99 * (1 + math.cos(math.pi * (i - warm) / (total - warm))) / 2
        assert rate == pytest.approx(peak * expected, rel=1e-6), i


def test_an_epoch_ends_with_an_update(config):
    """As with one batch as large, so that its checkpoint is without gradients half summed up."""
    options = {'optim_wrapper.accumulative_counts': 3, 'train_dataloader.drop_last': True}
    runner = Runner.from_cfg(config('recipe', **options))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    assert runner.max_iters == 4 * 3


def test_schedules_wait_for_the_first_update(config, recwarn):
    """Torch warns of a schedule that steps before the optimiser."""
    Runner.from_cfg(config('recipe', **{'optim_wrapper.accumulative_counts': 2})).train()
    assert not [w for w in recwarn if 'optimizer.step()' in str(w.message)]


@pytest.mark.parametrize('scope', [{}, {'_scope_': 'mmdet'}])  # as of a base of mmdet
def test_schedules_count_updates_whoever_names_the_hook(scope, config):
    hook = dict(type='ParamSchedulerHook', **scope)
    cfg = config('recipe')
    cfg.default_hooks.param_scheduler = hook
    hooks = Runner.from_cfg(cfg).hooks
    assert any(isinstance(hook, StepSchedulers) for hook in hooks)


def test_schedules_in_iterations_keep_their_meaning(config):
    """Of MMEngine's users who accumulate, who count batches there."""
    cfg = config('recipe', **{'optim_wrapper.accumulative_counts': 2})
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.5, by_epoch=False, end=4)]
    runner = Runner.from_cfg(cfg)
    runner.train()
    lr = runner.message_hub.log_scalars['train/lr'].data[0][:5]
    assert lr == pytest.approx([1e-3 * (0.5 + i / 6) for i in range(4)] + [1e-3])
