"""Evaluate a checkpoint on a config's test set."""

import os
from collections.abc import Iterable

from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook

from ..configs.checks import check_data
from ..configs.datasets import leaf_datasets
from ..errors import UsageError, one_line
from ..machine.faults import machine_faults
from ..task import task_of
from ..weights.formats import read_weights
from .runner import Runner


def evaluate(
    cfg: Config,
    checkpoint: str | os.PathLike,
    tta: bool = False,
    input_size: int | None = None,
    crop_pct: float | None = None,
    hooks: Iterable[Hook] = (),
) -> dict[str, float]:
    """The metrics of a checkpoint; the file is read once.

    Args:
        cfg: as `load_config` gives it; it is changed for the evaluation.
        checkpoint: path or URL, in any format that `weights` reads.
        tta, input_size, crop_pct: as `prepare_testing`.
        hooks: further hooks of the run, such as `side_by_side.SideBySideHook`.

    Raises:
        UsageError, DataError, CheckpointError: config, data or file cannot be used, or the model
            does not take images of `input_size`.
    """
    prepare_testing(cfg, tta, input_size, crop_pct)
    check_data(cfg, 'test')
    try:
        with machine_faults(cfg.work_dir):
            return _build_runner(cfg, checkpoint, hooks).test()
    except (AssertionError, ValueError) as error:
        if input_size is None:
            raise
        raise UsageError(
            f'--input-size {input_size} does not suit the model: {one_line(error)}'
        ) from error


def _build_runner(cfg: Config, checkpoint: str | os.PathLike, hooks: Iterable[Hook]) -> Runner:
    weights = read_weights(checkpoint)  # a file of no use fails now, not after the data are read
    runner = Runner.from_cfg(cfg)
    runner.start_from(weights)
    for hook in (*task_of(cfg).evaluation_hooks(cfg, weights), *hooks):
        runner.register_hook(hook)
    return runner


def prepare_testing(
    cfg: Config,
    tta: bool = False,
    input_size: int | None = None,
    crop_pct: float | None = None,
) -> None:
    """Change a config for an evaluation.

    Args:
        cfg: as `load_config` gives it.
        tta: average over the augmentations of the config's `tta_pipeline`.
        input_size: side of the test images in pixels, other than the config's.
        crop_pct: share of the resized image that the central crop keeps.

    Raises:
        UsageError: the config is not made for what was asked.
    """
    if tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise UsageError(f'--tta needs tta_model and tta_pipeline in {cfg.filename}: add them.')
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
        for dataset in leaf_datasets(cfg.test_dataloader.dataset):
            dataset.pipeline = cfg.tta_pipeline
    task_of(cfg).prepare_evaluation(cfg, input_size, crop_pct)
    cfg.load_from, cfg.resume = None, False
