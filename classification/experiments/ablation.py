"""What each part of the ImageNet recipe brings: a config trained with it, and without one part."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..visualization.tables import markdown
from .grid import Grid, spread

DIGITS = 'configs/quickstart/mila-digits-recipe_1xb64_digits.py'
NO_MESA = {'default_hooks.mesa': None}
VARIANTS: dict[str, dict[str, Any]] = {
    'complete': {},
    'without MESA': NO_MESA,
    'without EMA': {'default_hooks.ema': None, **NO_MESA},  # MESA learns from the EMA model
    'without mixup': {'model.mixup': None},
}
METRICS = {'accuracy/top1': 'top-1', 'accuracy/ema_top1': 'top-1 of the EMA weights'}
Results = Mapping[str, Mapping[str, Sequence[float]]]  # variant -> metric -> per cent of each seed


class Ablation(Grid):
    """The recipe of a classifier's config, whole and without each part.

    Args:
        config, seeds, work_dir, options, gpus: as of Grid.
    """

    def __init__(
        self,
        config: str | os.PathLike = DIGITS,
        seeds: int = 3,
        work_dir: Path | None = None,
        options: Mapping[str, Any] | None = None,
        gpus: int = 0,
    ) -> None:
        super().__init__(config, VARIANTS, seeds, work_dir, options, gpus)

    def run(self) -> str:
        """Find the data, train what is not trained yet, write results.md and results.json.

        Returns:
            The table.

        Raises:
            DataError, UsageError, SystemExit: as Grid.
        """
        self.find_data()
        self.train()
        results = self.results()
        text = table(results)
        (self.work_dir / 'results.md').write_text(text + '\n')
        (self.work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')
        return text

    def results(self) -> Results:
        """The metrics after the last epoch; none where a variant has no such metric."""
        results: dict[str, dict[str, list[float]]] = {}
        for variant in self.variants:
            runs = [self.scores(variant, seed) for seed in self.seeds]
            results[variant] = {
                metric: [scores[metric] for scores in runs if metric in scores]
                for metric in METRICS
            }
        return results


def table(results: Results) -> str:
    """The results as Markdown, mean and standard deviation."""
    seeds = len(results['complete']['accuracy/top1'])
    rows = [
        [variant, *(spread(scores[metric]) if scores[metric] else '' for metric in METRICS)]
        for variant, scores in results.items()
    ]
    return markdown([f'recipe, {seeds} seeds', *METRICS.values()], rows)
