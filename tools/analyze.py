"""Explain the result of a training: one HTML file with everything in it.

    python tools/analyze.py WORK_DIR [--checkpoint PATH] [--out report.html]

Evaluates a checkpoint on the test set of the config in WORK_DIR, and writes the metrics, curves of
the training, the classes, what is confused with what, the kinds of a detector's errors, the worst
and best images, speed and memory. What the report shows: docs/report.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.analysis.report import write_report
from classification.engine.cli import errors_in_one_sentence


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', metavar='WORK_DIR', type=Path, help='of a training')
    parser.add_argument(
        '--checkpoint', metavar='PATH', help='default: the best in WORK_DIR, else the last'
    )
    parser.add_argument('--config', metavar='PATH', help='default: the one in WORK_DIR')
    parser.add_argument('--out', type=Path, metavar='FILE.html', help='default: in WORK_DIR')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of a detection in pictures and confusions (default: %(default)s)',
    )
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.html':
        parser.error(f'--out takes an .html file, not {args.out}')
    if not 0 <= args.score_thr <= 1:
        parser.error(f'--score-thr is from 0 to 1, not {args.score_thr}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        path = write_report(args.work_dir, args.checkpoint, args.out, args.config, args.score_thr)
        print(f'Report: {path}')


if __name__ == '__main__':
    main()
