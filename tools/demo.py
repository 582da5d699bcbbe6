"""The main job on real handwriting: a classifier, and what its weights bring to dense prediction.

    python tools/demo.py [--work-dir work_dirs/demo] [--data data/digits]

Trains MILA on single digits, then Mask R-CNN and UperNet on scenes of digits, each twice with the
same seed and budget: from the classifier's weights and from scratch. Ends with a table, curves and
pictures in the work dir. Every step is tools/train.py, test.py or predict.py as a user runs them.
What is complete is kept: an interrupted demo goes on where it stopped, a complete one shows its
table again.
"""

import argparse
from pathlib import Path

from classification.experiments.cli import interruptible
from classification.experiments.demo import run_demo

TASKS = ('classifier', 'detection', 'segmentation')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data', type=Path, default=Path('data/digits'))
    for task in TASKS:
        parser.add_argument(
            f'--{task}',
            nargs='+',
            default=[],
            metavar='KEY=VALUE',
            help='changes to the config of this task',
        )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with interruptible('run the demo again to go on where it stopped.'):
        table = run_demo(args.work_dir, args.data, {task: getattr(args, task) for task in TASKS})
        print(f'\n{table}\n\nCurves and pictures: {args.work_dir}/*.png')


if __name__ == '__main__':
    main()
