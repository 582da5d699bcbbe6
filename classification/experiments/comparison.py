"""Backbones of equal size under one recipe: a classifier of digits, then detection, segmentation.

Every family, task and seed is a training of its own with tools/train.py. Mask R-CNN and UperNet
start from the classifier of the same family and seed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..benchmark.complexity import complexity
from ..datasets.digits_files import describe, make_digits
from ..engine.configs.checks import check_data
from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..visualization.scalars import read_scalars
from . import comparison_report, jobs
from .demo import CONFIGS, DENSE_METRICS
from .families import Family

TASKS = {
    'classification': 'mila-digits_1xb64_digits',
    'detection': 'mask-rcnn_mila-digits_fpn_digits',
    'segmentation': 'upernet_mila-digits_digits',
}
METRICS = (('classification', 'top-1', 'accuracy/top1', 1), *DENSE_METRICS)
# Trainings run beside each other: each reads its images itself.
ONE_PROCESS: dict[str, Any] = {
    f'{split}_dataloader.{key}': value
    for split in ('train', 'val')
    for key, value in (('num_workers', 0), ('persistent_workers', False))
}


class Comparison:
    """The trainings of a comparison.

    Args:
        families: name -> what is compared.
        seeds: how many trainings of each in each task.
        work_dir: a folder for each family is made in it.
        data: folder of the digits; they are made where it does not exist.
        epochs: of each of TASKS; None takes those of the configs.
        options: task -> {key: value} to change in its config.
        parallel: trainings at a time.
    """

    def __init__(
        self,
        families: Mapping[str, Family],
        seeds: int,
        work_dir: Path,
        data: Path,
        epochs: Sequence[int] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        parallel: int = 1,
    ) -> None:
        self.families = families
        self.seeds = range(seeds)
        self.work_dir = work_dir
        self.data = data
        self.options = {
            task: {**data_roots(task, data), **(options or {}).get(task, {})} for task in TASKS
        }
        self.parallel = parallel
        given = epochs or [load_config(config_file(t)).train_cfg.max_epochs for t in TASKS]
        self.epochs = dict(zip(TASKS, given, strict=True))

    def run(self) -> str:
        """Train what is not trained yet, all families with seed 0 first, and report each seed.

        Returns:
            The tables of results.md.

        Raises:
            DataError: data are missing that are not the digits.
            UsageError: the work dir holds a comparison with another budget.
            SystemExit: a training failed.
        """
        self._claim()
        self._find_data()
        for seed in self.seeds:
            print(f'Seed {seed}, {seed + 1} of {len(self.seeds)}:', flush=True)
            for tasks in (['classification'], ['detection', 'segmentation']):
                self._train(seed, tasks)
            tables = self.report()
        return tables

    def _train(self, seed: int, tasks: Sequence[str]) -> None:
        todo = [
            jobs.Job(
                f'{family}, {task}, seed {seed}',
                self.command(family, task, seed),
                self.folder(family, task, seed) / 'log.txt',
                kind=task,
            )
            for task in tasks
            for family in self.families
            if not self.scores(family, task, seed)
        ]
        jobs.run_jobs(todo, self.parallel)

    def report(self) -> str:
        """Write results.json, results.md and comparison.png of the seeds that are complete.

        Returns:
            The tables of results.md.
        """
        results = self.results()
        tables = comparison_report.tables(results)
        (self.work_dir / 'results.md').write_text(tables + '\n')
        (self.work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
        comparison_report.figure(self.work_dir / 'comparison.png', results)
        return tables

    def results(self) -> dict[str, dict[str, Any]]:
        """For each family its size, and of each seed that all families have: scores and costs."""

        def complete(seed: int) -> bool:
            return all(self.scores(f, task, seed) for f in self.families for task in TASKS)

        seeds = list(takewhile(complete, self.seeds))
        results = {}
        for name, family in self.families.items():
            cfg = self.cfg(name, 'classification')
            side = cfg.val_dataloader.dataset.pipeline[-1].input_size
            size = complexity(cfg, (side, side))
            scores = {
                title: [factor * self.scores(name, task, seed)[key] for seed in seeds]
                for task, title, key, factor in METRICS
            }
            costs = {
                task: [json.loads(self.costs(name, task, seed).read_text()) for seed in seeds]
                for task in TASKS
            }
            results[name] = dict(
                title=family.title,
                params=size['params'],
                flops=size['flops'],
                shape=size['shape'],
                scores=scores,
                costs=costs,
            )
        return results

    def folder(self, family: str, task: str, seed: int) -> Path:
        """The work dir of a training."""
        return self.work_dir / family / f'{task}-seed{seed}'

    def costs(self, family: str, task: str, seed: int) -> Path:
        """What hooks.Costs writes."""
        return self.folder(family, task, seed) / 'costs.json'

    def scores(self, family: str, task: str, seed: int) -> dict[str, float]:
        """The metrics after the last epoch; {} before that."""
        key = next(key for of, _, key, _ in METRICS if of == task)
        for line in reversed(read_scalars(self.folder(family, task, seed))):
            if key in line:
                return line if line['step'] == self.epochs[task] else {}
        return {}

    def cfg(self, family: str, task: str) -> Config:
        """The config of a family's training."""
        return load_config(config_file(task), self.changes(family, task))

    def changes(self, family: str, task: str) -> dict[str, Any]:
        """{key: value} to change in the task's config: the budget and the backbone."""
        epochs = self.epochs[task]
        return {
            'train_cfg.max_epochs': epochs,
            'train_cfg.val_interval': epochs,
            'param_scheduler.1.end': epochs,
            'default_hooks.costs.type': 'Costs',
            **ONE_PROCESS,
            **self.options[task],
            **backbone(self.families[family], task),
        }

    def command(self, family: str, task: str, seed: int) -> list[str | os.PathLike]:
        """The command that trains a family, the dense tasks from its classifier."""
        changes = {**self.changes(family, task), 'randomness.seed': seed}
        if task != 'classification':
            folder = self.folder(family, 'classification', seed)
            changes['model.backbone.init_cfg.type'] = 'Pretrained'
            changes['model.backbone.init_cfg.checkpoint'] = (
                folder / f'epoch_{self.epochs["classification"]}.pth'
            )
        return jobs.tool(
            'train',
            config_file(task),
            '--work-dir',
            self.folder(family, task, seed),
            '--resume',
            '--cfg-options',
            *(f'{key}={value}' for key, value in changes.items()),
        )

    def _claim(self) -> None:
        """Refuse to mix budgets: more families or seeds may be added to a work dir."""
        budget = dict(epochs=self.epochs, options=self.options)
        text, file = json.dumps(budget, indent=2, default=str), self.work_dir / 'budget.json'
        if file.exists() and file.read_text() != text:
            raise UsageError(
                f'{self.work_dir} holds trainings with other epochs or options: '
                'give another --work-dir.'
            )
        self.work_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _find_data(self) -> None:
        if not self.data.exists():
            print(describe(make_digits(self.data)))
        for task in TASKS:
            check_data(load_config(config_file(task), self.options[task]), 'train', 'val')


def config_file(task: str) -> Path:
    """The config of one of TASKS, of which each family replaces the backbone."""
    return CONFIGS / f'{TASKS[task]}.py'


def data_roots(task: str, data: Path) -> dict[str, Any]:
    """{key: value} that put a folder of digits in the place of the config's."""
    train, val = ('train_dataloader.dataset.data_root', 'val_dataloader.dataset.data_root')
    if task == 'classification':
        return {train: f'{data}/imagenet/train', val: f'{data}/imagenet/val'}
    if task == 'segmentation':
        return {train: f'{data}/ade', val: f'{data}/ade'}
    annotations = f'{data}/coco/annotations/instances_val2017.json'
    return {
        train: f'{data}/coco/',
        val: f'{data}/coco/',
        'val_evaluator.ann_file': annotations,
    }


def backbone(family: Family, task: str) -> dict[str, Any]:
    """{key: value} that put a family in the place of the config's MILA.

    Maps go through TimmBackbone, MILA's too: each with a layer norm, and then the same heads.
    """
    place = 'model.model' if task == 'classification' else 'model.backbone'
    changes = {f'{place}._delete_': True, f'{place}.name': family.timm}
    changes |= {f'{place}.{key}': value for key, value in family.sizes.items()}
    if task == 'classification':
        changes[f'{place}.num_classes'] = 10
    else:
        changes[f'{place}.type'] = 'TimmBackbone'
    # Whatever reads the maps: all of them, or the one at its index.
    model = load_config(config_file(task)).model
    for name, part in model.items():
        index = part.get('in_index') if isinstance(part, dict) else None
        if isinstance(index, int):
            changes[f'model.{name}.in_channels'] = family.widths[index]
        elif isinstance(part, dict) and isinstance(part.get('in_channels'), (list, tuple)):
            changes[f'model.{name}.in_channels'] = list(family.widths)
    return changes
