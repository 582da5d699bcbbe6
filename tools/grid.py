"""Variants of a config, each trained with several seeds, in one folder: what tables come from."""

import os
import subprocess
from pathlib import Path
from statistics import mean, stdev

import jobs
import torch

from classification.engine.checks import check_data
from classification.engine.cli import config_parser
from classification.engine.config import load_config
from classification.engine.errors import UsageError

# White ink on black, read at the size at which it is drawn; scenes are not needed.
PLAIN_DIGITS = Path('data/digits-plain')
PLAIN = dict(
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

    def __init__(self, config, variants, seeds, work_dir=None, options=None, gpus=0):
        self.config = Path(config)
        self.variants = variants
        self.seeds = range(seeds)
        self.options = options or {}
        self.gpus = gpus
        self.work_dir = work_dir or Path('work_dirs') / self.config.stem
        self.epochs = self.cfg().train_cfg.max_epochs

    def cfg(self, variant=None):
        """The config of a variant, or what all have in common."""
        return load_config(self.config, {**self.options, **self.variants.get(variant, {})})

    def folder(self, variant, seed):
        return self.work_dir / variant.replace(' ', '-') / f'seed{seed}'

    def checkpoint(self, variant, seed=0):
        return self.folder(variant, seed) / f'epoch_{self.epochs}.pth'

    def scores(self, variant, seed):
        """The metrics after the last epoch, {'accuracy/top1': per cent, …}; {} before that."""
        for line in reversed(jobs.read_scalars(self.folder(variant, seed))):
            if 'accuracy/top1' in line:
                return line if line['step'] == self.epochs else {}
        return {}

    def find_data(self):
        """Make the plain digits where the config wants them and they are not there yet.

        Raises:
            DataError: other data are missing.
        """
        cfg = self.cfg()
        wanted = Path(cfg.train_dataloader.dataset.data_root)
        if wanted.is_relative_to(PLAIN_DIGITS) and not PLAIN_DIGITS.exists():
            settings = [f'--{name.replace("_", "-")}={value}' for name, value in PLAIN.items()]
            subprocess.run(jobs.tool('make_digits', '--out', PLAIN_DIGITS, *settings), check=True)
        check_data(cfg, 'train', 'val')

    def train(self):
        """Every variant with one seed, then with the next: what was broken off compares too.

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

    def command(self, variant, seed):
        changes = {**self.options, **self.variants[variant], 'randomness.seed': seed}
        args = [
            '--work-dir',
            self.folder(variant, seed),
            '--resume',
            '--cfg-options',
            *(f'{key}={value}' for key, value in changes.items()),
        ]
        if self.gpus:
            return ['bash', jobs.TOOLS / 'dist_train.sh', self.config, str(self.gpus), *args]
        return jobs.tool('train', self.config, *args)

    def _claim(self):
        text, file = self.cfg().pretty_text, self.work_dir / 'config.py'
        if file.exists() and file.read_text() != text:
            raise UsageError(
                f'{self.work_dir} holds runs of another config or of other --cfg-options: '
                'give another --work-dir.'
            )
        self.work_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def grid_parser(description, config):
    """An argument parser with what every tool over a Grid takes."""
    parser = config_parser(description, config)
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each; default: 3')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of the config>')
    parser.add_argument('--gpus', type=int, default=0, help='of this machine, for each training')
    return parser


def spread(values):
    """Mean and standard deviation of a sample, as text."""
    return f'{mean(values):.1f}' + (f' ± {stdev(values):.1f}' if len(values) > 1 else '')
