"""engine/configs/checks.py: data that is missing or that the config does not fit."""

import pytest
from mmengine.config import Config

from classification.engine.configs.checks import check_data
from classification.engine.errors import DataError


@pytest.mark.parametrize(
    'root, cure',
    [
        ('data/digits/x', 'make_digits.py'),
        ('data/coco', 'COCO goes to'),
        ('data/ade', 'ADE20K goes to'),
        ('data/imagenet', 'ImageNet goes to'),
        ('elsewhere', 'set data_root'),
    ],
)
def test_missing_data_has_a_cure(root, cure, config):
    cfg = config('classification', **{'val_dataloader.dataset.data_root': root})
    check_data(cfg, 'train')
    with pytest.raises(DataError, match=f'{root} does not exist: .*{cure}'):
        check_data(cfg, 'train', 'val')


def test_datasets_in_wrappers_and_evaluators_are_checked_too(config, here):
    cfg = config('detection')
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=[inner, dict(inner, data_root='none')]),
    )
    with pytest.raises(DataError, match='none/train2017 does not exist'):
        check_data(cfg, 'train')
    cfg.val_evaluator.ann_file = 'none.json'
    with pytest.raises(DataError, match='none.json does not exist'):
        check_data(cfg, 'val')


def test_one_process_of_a_machine_checks(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    check_data(Config(dict(train_dataloader=dict(dataset=dict(data_root='none')))), 'train')
