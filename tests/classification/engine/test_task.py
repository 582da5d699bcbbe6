"""classification/engine/task.py: which task answers for a config."""

import subprocess
import sys

import numpy as np
import pytest
from mmengine.config import Config

import detection  # noqa: F401  registers
import segmentation  # noqa: F401  registers
from classification.engine.errors import UsageError
from classification.engine.task import Task, register_task, task_of


@pytest.mark.parametrize(
    'scope, name',
    [
        (None, 'Classification'),
        ('mmengine', 'Classification'),
        ('mmdet', 'Detection'),
        ('mmseg', 'Segmentation'),
        ('other', 'Task'),
    ],
)
def test_the_scope_of_a_config_names_its_task(scope, name):
    assert type(task_of(Config(dict(default_scope=scope)))).__name__ == name


def test_two_tasks_cannot_answer_for_one_scope():
    register_task('mmengine', task_of({}))  # again, as when a package is imported anew
    with pytest.raises(ValueError, match='Classification already answers for mmengine'):
        register_task('mmengine', Task())


def test_an_unknown_task_has_a_cure():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UsageError, match='custom_imports'):
        task_of(dict(default_scope='other')).draw_prediction(image, {}, [], [])


def test_importing_classification_loads_neither_the_runner_nor_the_command_line():
    """In a process of its own; torch and MMEngine load argparse themselves."""
    code = """
import sys, warnings
filters = list(warnings.filters)
import torch, timm, mmengine.runner
filters = list(warnings.filters)
import classification
ours = {n: m for n, m in sys.modules.items() if n.partition('.')[0] == 'classification'}
heavy = {'runner', 'checkpoints', 'cli', 'config', 'slurm', 'training', 'testing', 'inference'}
assert not heavy & {n.rpartition('.')[2] for n in ours if '.engine.' in n}, sorted(ours)
users = [n for n, m in ours.items() if hasattr(m, 'argparse') or hasattr(m, 'subprocess')]
assert not users, users
assert warnings.filters == filters
"""
    subprocess.run([sys.executable, '-c', code], check=True)
