"""Compare backbones of equal size under one recipe, on pictures and scenes of handwritten digits.

    python tools/compare.py [FAMILY …] [--seeds 3] [--epochs 10 8 14] [--work-dir DIR]

Each family's model has about two million parameters. For each seed it is trained as a classifier of
single digits; Mask R-CNN and UperNet on scenes of digits start from those weights. Recipe, budget,
heads and data are the same for all, the order of the data too. The first FAMILY is the one that the
others are compared with. Complete trainings are kept: an interrupted comparison goes on where it
stopped, and families or seeds may be added. In the work dir, after each seed: results.md,
results.json and comparison.png.
"""

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import DictAction

from classification.engine.cli import errors_in_one_sentence
from classification.experiments.cli import interruptible
from classification.experiments.comparison import TASKS, Comparison
from classification.experiments.families import FAMILIES, families


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ', '.join(FAMILIES)
    parser.add_argument(
        'families', nargs='*', default=list(FAMILIES), metavar='FAMILY', help=f'of {names}'
    )
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each; default: 3')
    parser.add_argument(
        '--epochs',
        type=int,
        nargs=3,
        metavar=('CLASSIFIER', 'DETECTOR', 'SEGMENTOR'),
        help="default: the configs'",
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/comparison'))
    parser.add_argument('--data', type=Path, default=Path('data/digits'))
    parser.add_argument(
        '--parallel',
        type=int,
        default=1 if torch.cuda.is_available() else os.cpu_count(),
        help='trainings at a time; default: one for each core, on a GPU one',
    )
    for task in TASKS:
        parser.add_argument(
            f'--{task}',
            nargs='+',
            action=DictAction,
            metavar='KEY=VALUE',
            help='changes to the config of this task, for all families',
        )
    args = parser.parse_args(argv)
    if min(args.seeds, args.parallel, *(args.epochs or [1])) < 1:
        parser.error('--seeds, --epochs and --parallel are from 1')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with interruptible('run the comparison again to go on.'), errors_in_one_sentence():
        comparison = Comparison(
            families(args.families),
            args.seeds,
            args.work_dir,
            args.data,
            args.epochs,
            {task: getattr(args, task) or {} for task in TASKS},
            args.parallel,
        )
        tables = comparison.run()
        print(f'\n{tables}\n\nTables and figure: {args.work_dir}')


if __name__ == '__main__':
    main()
