"""Variants of a config, each trained with several seeds, in one folder: what tables come from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from mmengine.config import Config

from ..datasets.digits_files import describe, make_digits
from ..engine.configs.checks import check_data
from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..visualization.scalars import read_scalars
from . import jobs

# White ink on black, read at the size at which it is drawn; scenes are not needed.
PLAIN_DIGITS = Path('data/digits-plain')
PLAIN: dict[str, Any] = dict(
    plain=1,
    patch_size=32,
    min_height=18,
    max_height=28,
    val_renderings=4,
    train_scenes=1,
    val_scenes=1,
)


class Grid:
    """The runs of a table.

    Args:
        config: path of the config.
        variants: name -> {key: value} to change in it.
        seeds: how many trainings of each variant.
        work_dir: a folder for each variant is made in it; None: work_dirs/<name of the config>.
        options: {key: value} to change for all.
        gpus: of this machine for each training; 0 trains on the CPU, or on one GPU if there is one.
    """

    def __init__(
        self,
        config: str | os.PathLike,
        variants: Mapping[str, Mapping[str, Any]],
        seeds: int,
        work_dir: Path | None = None,
        options: Mapping[str, Any] | None = None,
        gpus: int = 0,
    ) -> None:
        self.config = Path(config)
        self.variants = variants
        self.seeds = range(seeds)
        self.options = options or {}
        self.gpus = gpus
        self.work_dir = work_dir or Path('work_dirs') / self.config.stem
        self.epochs = self.cfg().train_cfg.max_epochs

    def cfg(self, variant: str | None = None) -> Config:
        """The config of a variant, or what all have in common."""
        changes = {} if variant is None else self.variants.get(variant, {})
        return load_config(self.config, {**self.options, **changes})

    def folder(self, variant: str, seed: int) -> Path:
        """The work dir of a run."""
        return self.work_dir / variant.replace(' ', '-') / f'seed{seed}'

    def checkpoint(self, variant: str, seed: int = 0) -> Path:
        """What a complete run leaves."""
        return self.folder(variant, seed) / f'epoch_{self.epochs}.pth'

    def scores(self, variant: str, seed: int) -> dict[str, float]:
        """The metrics after the last epoch, {'accuracy/top1': per cent, …}; {} before that."""
        for line in reversed(read_scalars(self.folder(variant, seed))):
            if 'accuracy/top1' in line:
                return line if line['step'] == self.epochs else {}
        return {}

    def find_data(self) -> None:
        """Make the plain digits where the config wants them and they are not there yet.

        Raises:
            DataError: other data are missing.
        """
        cfg = self.cfg()
        wanted = Path(cfg.train_dataloader.dataset.data_root)
        if wanted.is_relative_to(PLAIN_DIGITS) and not PLAIN_DIGITS.exists():
            print(describe(make_digits(PLAIN_DIGITS, **PLAIN)))
        check_data(cfg, 'train', 'val')

    def train(self) -> None:
        """Train all variants with seed 0 first, then with seed 1 and so on.

        An interrupted grid can then still be compared. Complete runs are left as they are.

        Raises:
            UsageError: the work dir holds the runs of another config.
            SystemExit: a training failed.
        """
        self._claim()
        todo = [
            jobs.Job(
                f'{variant}, seed {seed}',
                self.command(variant, seed),
                self.folder(variant, seed) / 'log.txt',
                kind=variant,
            )
            for seed in self.seeds
            for variant in self.variants
            if not self.scores(variant, seed)
        ]
        on_gpu = self.gpus or torch.cuda.is_available()
        jobs.run_jobs(todo, slots=1 if on_gpu else os.cpu_count() or 1)

    def command(self, variant: str, seed: int) -> list[str | os.PathLike]:
        """The command that trains a run."""
        changes = {**self.options, **self.variants[variant], 'randomness.seed': seed}
        args: list[str | os.PathLike] = [
            '--work-dir',
            self.folder(variant, seed),
            '--resume',
            '--cfg-options',
            *(f'{key}={value}' for key, value in changes.items()),
        ]
        if self.gpus:
            return ['bash', jobs.TOOLS / 'dist_train.sh', self.config, str(self.gpus), *args]
        return jobs.tool('train', self.config, *args)

    def _claim(self) -> None:
        text, file = self.cfg().pretty_text, self.work_dir / 'config.py'
        if file.exists() and file.read_text() != text:
            raise UsageError(
                f'{self.work_dir} holds runs of another config or of other --cfg-options: '
                'give another --work-dir.'
            )
        self.work_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation of a sample, as text: '51.0 ± 1.4'."""
    return f'{mean(values):.1f}' + (f' ± {stdev(values):.1f}' if len(values) > 1 else '')
