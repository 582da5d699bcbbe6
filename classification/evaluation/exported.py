"""Evaluate an exported model on a config's test set, by the metrics of its model."""

import os

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, init_default_scope
from tqdm import tqdm

from ..engine.configs.checks import check_data
from ..engine.errors import UsageError
from ..engine.task import task_of
from ..exported.model import load


def evaluate_exported(cfg: Config, path: str | os.PathLike) -> dict[str, float]:
    """The metrics of an exported model.

    Args:
        cfg: as `load_config` gives it, for the test set and its metrics; its model is not built.
        path: the .onnx file.

    Raises:
        UsageError, DataError, CheckpointError: config, data or file cannot be used.
    """
    model, task = load(path), task_of(cfg)
    if model.formats is not task.formats:
        raise UsageError(
            f'{path} is a model of {model.task}, unlike {cfg.filename}: give the config that it '
            'was exported with.'
        )
    check_data(cfg, 'test')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    classes = dataset.metainfo.get('classes')
    if classes is not None and list(classes) != list(model.classes):
        raise UsageError(
            f'The classes of {path} are not those of {cfg.filename}: give the config that it was '
            'exported with.'
        )
    metrics = cfg.test_evaluator
    evaluator = Evaluator(metrics if isinstance(metrics, list) else [metrics])
    evaluator.dataset_meta = dataset.metainfo
    for index in tqdm(range(len(dataset)), 'test', unit='image'):
        picture = task.read_picture(dataset.get_data_info(index))
        evaluator.process([task.sample(model(picture), dataset[index])])
    return evaluator.evaluate(len(dataset))
