"""The comparison: each training differs from the others by backbone and seed alone."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from classification.engine.errors import UsageError
from classification.experiments import comparison
from classification.experiments.comparison import METRICS, TASKS, Comparison
from classification.experiments.families import FAMILIES, families

TWO = families(['mila', 'convnext'])
DATA = Path('data/digits')
ONE = (1, 1, 1)  # epochs


def finish(runs, family, task, seed, score):
    """Leave behind what a complete training does."""
    folder = runs.folder(family, task, seed)
    (folder / 'x/vis_data').mkdir(parents=True)
    line = {key: score for of, _, key, _ in METRICS if of == task}
    line['step'] = runs.epochs[task]
    (folder / 'x/vis_data/scalars.json').write_text(json.dumps(line) + '\n')
    costs = dict(seconds=90, cpu_seconds=60, bytes=2**30)
    (folder / 'costs.json').write_text(json.dumps(costs))


@pytest.mark.parametrize(
    'name',
    [pytest.param(f, marks=[] if f in ('mila', 'swin') else pytest.mark.slow) for f in FAMILIES],
)
def test_weights_of_the_classifier_fit_the_dense_backbone(name, tmp_path):
    """Strictly: a file that does not fit is refused when the backbone is initialised."""
    runs = Comparison(FAMILIES, 1, tmp_path, DATA, ONE)
    classifier = MODELS.build(runs.cfg(name, 'classification').model)
    torch.save(dict(state_dict=classifier.state_dict()), tmp_path / 'epoch.pth')
    cfg = runs.cfg(name, 'segmentation')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=tmp_path / 'epoch.pth')
    with DefaultScope.overwrite_default_scope('mmseg'):
        backbone = MODELS.build(cfg.model.backbone)
    backbone.init_weights()
    loaded = backbone.state_dict()
    same = [
        torch.equal(value, loaded[key])
        for key, value in classifier.state_dict().items()
        if key in loaded
    ]
    assert len(same) > 20 and all(same)
    maps = backbone.eval()(torch.zeros(1, 3, 64, 64))
    assert tuple(map_.shape[1] for map_ in maps) == FAMILIES[name].widths
    assert [tuple(map_.shape[2:]) for map_ in maps] == [(s, s) for s in (16, 8, 4, 2)]


@pytest.mark.parametrize('task', TASKS)
def test_families_differ_by_the_backbone_alone(task):
    runs = Comparison(TWO, 1, Path('w'), DATA, (2, 3, 4))
    ours, theirs = (runs.cfg(family, task) for family in TWO)
    assert ours.train_cfg.max_epochs == ours.train_cfg.val_interval == runs.epochs[task]
    assert ours.param_scheduler[1].end == runs.epochs[task]
    for cfg in (ours, theirs):
        if task == 'classification':
            del cfg.model.model
        else:
            del cfg.model.backbone
        if task == 'detection':
            del cfg.model.neck.in_channels
        if task == 'segmentation':
            del cfg.model.decode_head.in_channels, cfg.model.auxiliary_head.in_channels
    assert ours.to_dict() == theirs.to_dict()


def test_commands():
    options = dict(detection={'train_dataloader.batch_size': 2})
    runs = Comparison(TWO, 1, Path('w'), Path('d'), (2, 3, 4), options)
    command = [str(part) for part in runs.command('convnext', 'detection', 5)]
    assert 'train_dataloader.batch_size=2' in command and 'randomness.seed=5' in command
    assert 'val_evaluator.ann_file=d/coco/annotations/instances_val2017.json' in command
    start = 'w/convnext/classification-seed5/epoch_2.pth'
    assert f'model.backbone.init_cfg.checkpoint={start}' in command
    assert not any('init_cfg' in str(part) for part in runs.command('mila', 'classification', 5))


def test_complete_trainings_are_kept_and_seeds_reported_whole(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(comparison.jobs, 'run_jobs', lambda jobs, _: started.extend(jobs))
    runs = Comparison(TWO, 2, tmp_path, DATA, ONE)
    finish(runs, 'mila', 'classification', 0, 50)
    runs._train(0, list(TASKS))
    assert [job.name for job in started] == [
        'convnext, classification, seed 0',
        *(f'{family}, {task}, seed 0' for task in ('detection', 'segmentation') for family in TWO),
    ]
    for family, task in [(f, t) for f in TWO for t in TASKS]:
        if (family, task) != ('mila', 'classification'):
            finish(runs, family, task, 0, 0.25)
    finish(runs, 'mila', 'classification', 1, 60)  # the seed is not complete
    scores = runs.results()['mila']['scores']
    assert scores == {'top-1': [50], 'box AP': [25], 'mask AP': [25], 'mIoU': [0.25]}
    costs = dict(seconds=90, cpu_seconds=60, bytes=2**30)
    assert runs.results()['convnext']['costs'] == {task: [costs] for task in TASKS}


def test_a_training_of_another_length_is_not_complete(tmp_path):
    finish(Comparison(TWO, 1, tmp_path, DATA, ONE), 'mila', 'detection', 0, 0.5)
    assert Comparison(TWO, 1, tmp_path, DATA, ONE).scores('mila', 'detection', 0)
    assert not Comparison(TWO, 1, tmp_path, DATA, (1, 2, 1)).scores('mila', 'detection', 0)


def test_budgets_are_not_mixed(here):
    Comparison(TWO, 1, here / 'w', DATA, ONE)._claim()
    Comparison(FAMILIES, 3, here / 'w', DATA, ONE)._claim()  # more families and seeds
    with pytest.raises(UsageError, match='other epochs or options'):
        Comparison(TWO, 1, here / 'w', DATA, (2, 1, 1)).run()
