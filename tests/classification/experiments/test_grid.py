"""A grid of trainings: what is trained, what is complete, whose folder it is."""

from pathlib import Path

import pytest

from classification.experiments import grid

CONFIG = Path(__file__).parents[3] / 'configs/study/study-baseline_1xb64_digits.py'
VARIANTS = {'as is': {}, 'other': {'model.model.name': 'study_rope'}}


def make(tmp_path, seeds=1, **kwargs):
    return grid.Grid(CONFIG, VARIANTS, seeds, tmp_path, **kwargs)


def log(runs, variant, seed, text):
    folder = runs.folder(variant, seed) / '1/vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(text)


def test_one_job_for_each_variant_and_seed_and_none_for_complete_ones(tmp_path, monkeypatch):
    runs = make(tmp_path, seeds=2, options={'train_cfg.max_epochs': 6})
    log(runs, 'other', 0, '{"accuracy/top1": 42.0, "step": 6}\n{"loss": 1, "step": 99}\n')
    log(runs, 'as is', 1, '{"accuracy/top1": 41.0, "step": 5}\n{"loss": 1, "step": 98}\n')
    started = []
    monkeypatch.setattr(grid.jobs, 'run_jobs', lambda jobs, slots: started.extend(jobs))
    runs.train()
    assert [job.name for job in started] == ['as is, seed 0', 'as is, seed 1', 'other, seed 1']
    assert runs.scores('other', 0)['accuracy/top1'] == 42.0
    assert runs.scores('as is', 1) == {}
    command = list(map(str, started[2].command))
    assert command[command.index('--work-dir') + 1] == str(tmp_path / 'other/seed1')
    changes = {'train_cfg.max_epochs=6', 'model.model.name=study_rope', 'randomness.seed=1'}
    assert set(command[command.index('--cfg-options') + 1 :]) == changes


def test_on_gpus_a_run_goes_through_the_launcher(tmp_path):
    command = make(tmp_path, gpus=4).command('other', 0)
    assert [Path(command[1]).name, command[3]] == ['dist_train.sh', '4']


def test_another_config_does_not_go_on_in_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(grid.jobs, 'run_jobs', lambda jobs, slots: None)
    make(tmp_path).train()
    make(tmp_path, seeds=5).train()  # more of the same
    with pytest.raises(grid.UsageError, match='another --work-dir'):
        make(tmp_path, options={'train_cfg.max_epochs': 9}).train()


def test_spread():
    assert grid.spread([50.0, 52.0]) == '51.0 ± 1.4'
    assert grid.spread([50.0]) == '50.0'
