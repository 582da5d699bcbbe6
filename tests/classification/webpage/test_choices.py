"""webpage/choices.py: models are found where trainings leave them."""

import shutil
from pathlib import Path

import pytest

from classification.engine.errors import UsageError
from classification.webpage.choices import as_choices, find_choices
from tests.exported import write_model


def work_dir(path, task='classification', data='nowhere'):
    path.mkdir(parents=True)
    (path / 'config.py').write_text(
        f"custom_imports = dict(imports=['no.such.module', 'classification', '{task}.x'])\n"
        f"dataset = dict(type='X', data_root='{data}', data_prefix=dict(img_path='val'))\n"
        "test_dataloader = dict(dataset=dict(type='RepeatDataset', dataset=dataset))\n"
    )
    (path / 'epoch_1.pth').touch()
    return path


def odd(path):
    """A work dir of a task that is not served."""
    (work_dir(path) / 'config.py').write_text("custom_imports = dict(imports=['pose'])\n")


def test_work_dirs_are_found_those_of_the_demo_first(tmp_path):
    for name, task in {'a/b': 'detection', 'demo/x': 'segmentation', 'z': 'classification'}.items():
        work_dir(tmp_path / name, task)
    shutil.copytree(tmp_path / 'z', tmp_path / 'without', ignore=lambda *_: ['epoch_1.pth'])
    shutil.copytree(tmp_path / 'z', tmp_path / 'several')
    (tmp_path / 'several/other.py').touch()
    odd(tmp_path / 'odd')
    broken = work_dir(tmp_path / 'broken')
    (broken / 'config.py').write_text('1 / 0')
    found = [(choice.name, choice.path, choice.task) for choice in find_choices(tmp_path)]
    assert found == [
        ('demo/x', tmp_path / 'demo/x', 'segmentation'),
        ('a/b', tmp_path / 'a/b', 'detection'),
        ('z', tmp_path / 'z', 'classification'),
    ]


def test_nothing_is_found(tmp_path):
    with pytest.raises(UsageError, match='No work dir with a config and a checkpoint is below'):
        find_choices(tmp_path)
    with pytest.raises(UsageError, match='make demo'):
        find_choices(tmp_path / 'missing')


@pytest.mark.parametrize('count', [0, 1, 3, 4, 10])
def test_examples_are_spread_over_the_test_data(tmp_path, count):
    (tmp_path / 'data/val').mkdir(parents=True)
    for number in range(count):
        (tmp_path / f'data/val/{number}.jpg').touch()
    work_dir(tmp_path / 'run', data=tmp_path / 'data')
    [choice] = find_choices(tmp_path)
    expected = {0: [], 1: [0], 3: [0, 1, 2], 4: [0, 1, 2, 3], 10: [0, 2, 5, 7]}[count]
    assert [int(path.stem) for path in choice.examples] == expected
    assert all(path.exists() for path in choice.examples)


def test_models_that_are_named(tmp_path):
    one = work_dir(tmp_path / 'a/run', 'detection')
    two = work_dir(tmp_path / 'b/run')
    exported = tmp_path / 'model.onnx'
    write_model(exported, 'segmentation')
    choices = as_choices([one, two, two / 'epoch_1.pth', exported])
    assert [(choice.name, choice.task) for choice in choices] == [
        (one.as_posix(), 'detection'),
        (two.as_posix(), 'classification'),
        ('epoch_1.pth', 'classification'),
        ('model.onnx', 'segmentation'),
    ]
    assert [choice.path for choice in choices] == [one, two, two / 'epoch_1.pth', exported]


@pytest.mark.parametrize(
    ('paths', 'sentence'),
    [
        (['run', 'run'], 'run is given twice'),
        (['missing'], 'missing does not exist'),
        (['run', 'odd'], 'imports none of classification, detection, segmentation'),
        (['broken'], 'cannot be read .division by zero.'),
    ],
)
def test_what_is_no_model(tmp_path, monkeypatch, paths, sentence):
    monkeypatch.chdir(tmp_path)
    work_dir(Path('run'))
    odd(Path('odd'))
    (work_dir(Path('broken')) / 'config.py').write_text('1 / 0')
    with pytest.raises(UsageError, match=sentence):
        as_choices([Path(path) for path in paths])
