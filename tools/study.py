"""Train every row of the empirical study with equal budgets and seeds: which design matters?

    python tools/study.py [CONFIG] [--seeds 3] [--rows NAME …] [--work-dir DIR] [--gpus N]

CONFIG says all but the model's name; the default one takes plain handwritten digits, which are made
in data/digits-plain. For ImageNet, or other folders of images, give
configs/study/study-baseline_8xb128_in1k.py. --seeds 0 trains nothing: counts and speed alone.

Complete runs are kept: an interrupted study goes on where it stopped. In the work dir: results.md,
results.json, study.png, and two pictures of what trained models do, attention.png and decay.png.
"""

import argparse

from classification.engine.cli import errors_in_one_sentence
from classification.experiments.cli import grid_parser, interruptible
from classification.experiments.study import DIGITS, Study
from classification.models import ROWS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = grid_parser(__doc__, DIGITS)
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=ROWS,
        default=list(ROWS),
        metavar='NAME',
        help=f'of {", ".join(ROWS)}; default: all',
    )
    parser.add_argument('--batch', type=int, default=32, help='images at a time to measure speed')
    args = parser.parse_args(argv)
    if args.seeds < 0 or args.gpus < 0 or args.batch < 1:
        parser.error('--seeds and --gpus are from 0, --batch from 1')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with interruptible('run the study again to go on.'), errors_in_one_sentence():
        study = Study(
            args.rows, args.config, args.seeds, args.work_dir, args.cfg_options, args.gpus
        )
        table = study.run(args.batch)
        print(f'\n{table}\n\nTable, figure and pictures: {study.work_dir}')


if __name__ == '__main__':
    main()
