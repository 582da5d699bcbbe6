"""Runs to be explained: what they predicted, and what is known of them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_world_size

from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..engine.running.testing import evaluate
from ..engine.running.trained import find_checkpoint, find_config
from ..engine.task import Analysis
from .collector import Collector
from .training import Log, read_log

NO_LOG = Log([], [], '')


@dataclass
class Run:
    """Predictions for the images of a test, and what is known of them.

    Attributes:
        name: of the run.
        analysis: of the predictions.
        picture: position of an image -> (H, W, 3) uint8, RGB; None where no image is shown.
        metrics: as the config's evaluators give them.
        log: of the training.
    """

    name: str
    analysis: Analysis
    picture: Callable[[int], np.ndarray] | None
    metrics: Mapping[str, float]
    log: Log


@dataclass
class EvaluatedRun(Run):
    """A training whose checkpoint was evaluated here.

    Attributes:
        work_dir, config, checkpoint: what was evaluated.
        cfg: the config.
        collector: what watched.
    """

    work_dir: Path
    config: Path
    checkpoint: str | os.PathLike
    cfg: Config
    collector: Collector


def evaluate_run(
    work_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    config: str | os.PathLike | None = None,
    score_thr: float = 0.3,
) -> EvaluatedRun:
    """Evaluate a checkpoint of a training on its config's test set; arguments as `write_report`.

    Raises:
        UsageError, DataError, CheckpointError: work dir, config, data or file cannot be used.
    """
    if get_world_size() > 1:  # each would see its share of the images
        raise UsageError(
            'A report is written by one process: run tools/analyze.py WORK_DIR after the training.'
        )
    work_dir = Path(work_dir)
    config = Path(config) if config else find_config(work_dir)
    checkpoint = checkpoint or find_checkpoint(work_dir)
    cfg = load_config(config, work_dir=work_dir)
    log = read_log(cfg)  # before the evaluation changes the config
    collector = Collector(score_thr)
    metrics = evaluate(cfg, checkpoint, hooks=[collector])
    return EvaluatedRun(
        work_dir.resolve().name,
        collector.analyst.analysis(),
        collector.picture,
        metrics,
        log,
        work_dir,
        config,
        checkpoint,
        cfg,
        collector,
    )
