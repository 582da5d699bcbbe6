"""engine/running/saving.py: no evaluation is lost, and the best file is the best."""

import os
import shutil

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import METRICS

from classification.engine.running.runner import Runner
from classification.engine.weights.formats import read_checkpoint
from tests.helpers import assert_same_training


class Killed(BaseException):
    """As SIGKILL, from within."""


@METRICS.register_module()
class Given(BaseMetric):
    """Scores from a list, one for each iteration that was trained."""

    scores = {}

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(score=self.scores[self.runner.iter], other=1.0)


class Note(Hook):
    """The evaluations of a run; and it can end one at the n-th call of a function."""

    priority = 'LOWEST'

    def __init__(self, made):
        self.made = made

    def before_run(self, runner):
        runner.val_loop.evaluator.metrics[0].runner = runner

    def after_val_epoch(self, runner, metrics=None):
        self.made.append((runner.iter, metrics['score']))


SCORES = {2: 3.0, 4: 1.0, 6: 5.0, 8: 4.0}
RUNS = {
    'epochs': dict(by_epoch=True, max_epochs=4, val_interval=1),
    'iterations': dict(type='IterBasedTrainLoop', max_iters=8, val_interval=2),
}


@pytest.fixture
def start(config, monkeypatch):
    """A function: kind of run -> (its evaluations, runner); killed before the n-th write."""
    monkeypatch.setattr(Given, 'scores', SCORES)

    def start(kind, folder, resume=None, kill=None, **options):
        cfg = config('recipe', **{f'default_hooks.checkpoint.{k}': v for k, v in options.items()})
        cfg.work_dir = str(folder)
        cfg.train_cfg = RUNS[kind]
        cfg.train_dataloader.dataset.indices = 8
        cfg.val_dataloader.dataset.indices = 4
        cfg.val_evaluator = dict(type='Given')
        cfg.default_hooks.mesa = None
        cfg.param_scheduler = None
        if kind == 'iterations':
            cfg.train_dataloader.sampler.type = 'InfiniteSampler'
            cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
            cfg.default_hooks.logger.log_metric_by_epoch = False
        cfg.resume, cfg.load_from = resume is not None, resume and str(resume)
        runner, made = Runner.from_cfg(cfg), []
        runner.register_hook(Note(made), 'LOWEST')
        writes = []
        replace = os.replace

        def write(source, target):
            writes.append(os.path.basename(target))
            if len(writes) == kill:
                raise Killed
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, 'replace', write)
            try:
                runner.train()
            except Killed:
                pass
        return made, writes

    return start


def last(folder):
    return folder / os.path.basename((folder / 'last_checkpoint').read_text())


def files(folder):
    return sorted(path.name for path in folder.glob('[!.]*.pth'))


@pytest.mark.parametrize('kind', RUNS)
def test_killed_before_a_write_and_resumed(kind, start, tmp_path):
    """The same weights, evaluations, files and best score as of the run that never stopped."""
    made, writes = start(kind, tmp_path / 'whole')
    assert made == list(SCORES.items())
    name = dict(epochs='epoch_{}.pth', iterations='iter_{}.pth')[kind].format
    ends = (4, 3) if kind == 'epochs' else (8, 6)
    assert files(tmp_path / 'whole')[0] == f'best_score_{name(ends[1])}'
    whole = read_checkpoint(tmp_path / 'whole' / name(ends[0]))
    for kill in (2, 7, len(writes)):
        folder = tmp_path / str(kill)
        before, _ = start(kind, folder, kill=kill)
        after, _ = start(kind, folder, resume=last(folder))
        assert files(folder) == files(tmp_path / 'whole'), kill
        assert dict(before + after) == SCORES, kill
        end = read_checkpoint(folder / name(ends[0]))
        assert_same_training(end, whole)
        info = end['message_hub']['runtime_info']
        assert info['best_score'] == 5.0 and info['best_ckpt'].endswith(name(ends[1]))
        for metric in ('val/score', 'train/loss'):
            one, other = (c['message_hub']['log_scalars'][metric].data[0] for c in (end, whole))
            assert one.tolist() == other.tolist(), (kill, metric)
        shutil.rmtree(folder)


def test_a_metric_that_is_no_number_is_never_the_best(start, tmp_path, monkeypatch):
    nan, inf = float('nan'), float('inf')
    monkeypatch.setattr(Given, 'scores', {2: nan, 4: 2.0, 6: inf, 8: nan})
    start('epochs', tmp_path / 'w')
    assert files(tmp_path / 'w')[0] == 'best_score_epoch_2.pth'
    (log,) = (tmp_path / 'w').glob('*/*.log')
    assert log.read_text().count('gave no finite number') == 3


def test_the_best_file_stays_until_the_next_is_written(start, tmp_path):
    """Of a full disk, for example."""
    _, writes = start('epochs', tmp_path / 'whole')
    kill = [n for n, name in enumerate(writes, 1) if name == 'best_score_epoch_3.pth'][0]
    start('epochs', tmp_path / 'w', kill=kill)
    assert 'best_score_epoch_1.pth' in files(tmp_path / 'w')


def test_several_metrics_have_a_best_each(start, tmp_path):
    start('epochs', tmp_path / 'w', save_best=['score', 'other'], rule='greater')
    best = [name for name in files(tmp_path / 'w') if name.startswith('best')]
    assert best == ['best_other_epoch_1.pth', 'best_score_epoch_3.pth']


def test_a_moved_work_dir_keeps_one_best_file(start, tmp_path):
    start('epochs', tmp_path / 'w', kill=5)
    (tmp_path / 'w').rename(tmp_path / 'moved')
    start('epochs', tmp_path / 'moved', resume=last(tmp_path / 'moved'))
    best = [name for name in files(tmp_path / 'moved') if name.startswith('best')]
    assert best == ['best_score_epoch_3.pth']
