"""The empirical study: every row trained with equal budgets and seeds, its costs, and a report."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.registry import DATASETS, MODELS
from tqdm import tqdm

from ..benchmark.complexity import complexity
from ..benchmark.timing import time_in_turns
from ..engine.weights.loading import load_weights
from ..models.linear_swin import LinearSwin
from . import study_report
from .grid import Grid

DIGITS = 'configs/study/study-baseline_1xb64_digits.py'
BASELINE = 'baseline'
ROUNDS = 15
SHOWN = 3  # images in the pictures


class Study(Grid):
    """Rows of the study as variants of one config: all but the model's name is the same.

    Args:
        rows: names of ROWS; the baseline, with which the others are compared, comes first anyway.
        config, seeds, work_dir, options, gpus: as of Grid.
    """

    def __init__(
        self,
        rows: Sequence[str],
        config: str | os.PathLike = DIGITS,
        seeds: int = 3,
        work_dir: Path | None = None,
        options: Mapping[str, Any] | None = None,
        gpus: int = 0,
    ) -> None:
        rows = [BASELINE, *(row for row in rows if row != BASELINE)]
        variants = {row: {'model.model.name': f'study_{row}'} for row in rows}
        super().__init__(config, variants, seeds, work_dir, options, gpus)

    def run(self, batch: int) -> str:
        """Find the data, train what is not trained yet and report.

        Args:
            batch: images per batch in the measurement of speed.

        Returns:
            The table, as `report`.

        Raises:
            DataError, UsageError, SystemExit: as Grid.
        """
        if self.seeds:
            self.find_data()
        self.train()
        return self.report(batch)

    def results(self, batch: int) -> dict[str, dict[str, Any]]:
        """For each row: parameters, FLOPs, speed over the baseline's, and the seeds' top-1."""
        size = self.cfg().model.model.get('img_size', 224)
        costs = {row: complexity(self.cfg(row), (size, size)) for row in self.variants}
        speed = self.speed(batch, size)
        return {
            row: dict(
                params=costs[row]['params'],
                flops=costs[row]['flops'],
                speed=speed[row],
                top1=[self.scores(row, seed)['accuracy/top1'] for seed in self.seeds],
            )
            for row in self.variants
        }

    def speed(self, batch: int, size: int) -> dict[str, float]:
        """Images per second in a forward pass over the baseline's, all rows in turns."""
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        images = torch.randn(batch, 3, size, size, device=device)
        models = {row: MODELS.build(self.cfg(row).model).to(device).eval() for row in self.variants}
        steps = {row: lambda model=model: model(images) for row, model in models.items()}
        with tqdm(total=ROUNDS + 1, desc='speed', unit='round') as bar, torch.no_grad():
            times = time_in_turns(steps, ROUNDS, device=device, on_round=lambda _: bar.update())
        medians = {row: median(seconds) for row, seconds in times.items()}
        return {row: medians[BASELINE] / medians[row] for row in self.variants}

    def model(self, row: str) -> LinearSwin:
        """The timm model of a row as trained with the first seed."""
        classifier = MODELS.build(self.cfg(row).model)
        load_weights(classifier, self.checkpoint(row))
        return classifier.backbone.eval()

    def report(self, batch: int) -> str:
        """Write results.json, results.md and, of trained rows, study.png and `pictures`.

        Returns:
            The table of results.md.
        """
        results, published = self.results(batch), study_report.published_rows()
        table = study_report.table(results, published)
        (self.work_dir / 'results.md').write_text(table + '\n')
        (self.work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
        if self.seeds:
            study_report.figure(self.work_dir / 'study.png', results, published)
            self.pictures()
        return table

    def pictures(self) -> None:
        """What the positions and the forget gate do, for a few pictures of the validation set."""
        dataset = DATASETS.build(self.cfg().val_dataloader.dataset)
        shown = range(0, len(dataset), len(dataset) // SHOWN)[:SHOWN]
        images = torch.stack([dataset[i]['inputs'] for i in shown])
        models = {row: self.model(row) for row in study_report.POSITIONS if row in self.variants}
        if models:
            study_report.attention_picture(self.work_dir / 'attention.png', models, images)
        if 'forget_gate' in self.variants:
            study_report.decay_picture(
                self.work_dir / 'decay.png', self.model('forget_gate'), images
            )
