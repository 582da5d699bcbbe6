"""engine/running/runner.py: processes without a GPU, logs, and checkpoints that are kept."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner as MMRunner

from classification.engine.running.runner import Runner


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


def test_one_checkpoint_is_always_there(config):
    cfg = config('classification')
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
    hooks = Runner.from_cfg(cfg).hooks
    assert [h.max_keep_ckpts for h in hooks if hasattr(h, 'max_keep_ckpts')] == [2]


def test_memory_is_pinned_for_a_gpu_alone(config, monkeypatch):
    loader = dict(config('classification').train_dataloader, pin_memory=True)
    for gpu in (False, True):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda gpu=gpu: gpu)
        assert Runner.build_dataloader(loader).pin_memory is gpu


def test_what_fills_screens_is_in_the_log_file_alone(config, capfd):
    runner = Runner.from_cfg(config('classification'))
    runner.logger.info('A line.')
    log = next(Path(runner.log_dir).glob('*.log')).read_text()
    said = capfd.readouterr().out
    assert 'A line.' in log and 'A line.' in said
    for long in ('System environment:', 'Config:', 'Hooks will be executed'):
        assert long in log and long not in said


def test_the_log_has_no_line_for_each_parameter(trained):
    logs = [path.read_text() for path in trained('detection').glob('*/*.log')]
    assert any('mmengine - INFO' in log for log in logs)
    assert not any('paramwise_options' in log for log in logs)
