"""Explain the result of a training, or compare several: one HTML file with everything in it.

    python tools/analyze.py WORK_DIR [--checkpoint PATH] [--out report.html]
    python tools/analyze.py WORK_DIR WORK_DIR… --out compare.html

Evaluates a checkpoint on the test set of the config in WORK_DIR, and writes the metrics, curves of
the training, the classes, what is confused with what, the kinds of a detector's errors, the worst
and best images, speed and memory. Of several trainings each is compared with the first, with
intervals by the bootstrap. What the report shows: docs/report.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.analysis.comparison import compare_work_dirs
from classification.analysis.report import write_report
from classification.engine.cli import errors_in_one_sentence


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', metavar='WORK_DIR', type=Path, nargs='+', help='of a training')
    parser.add_argument(
        '--checkpoint', metavar='PATH', help='default: the best in WORK_DIR, else the last'
    )
    parser.add_argument('--config', metavar='PATH', help='default: the one in WORK_DIR')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE.html',
        help='default: report.html in WORK_DIR; of several compare.html here',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of a detection in pictures and confusions (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the bootstrap (default: %(default)s)'
    )
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.html':
        parser.error(f'--out takes an .html file, not {args.out}')
    if not 0 <= args.score_thr <= 1:
        parser.error(f'--score-thr is from 0 to 1, not {args.score_thr}')
    if len(args.work_dirs) > 1 and (args.checkpoint or args.config):
        parser.error('--checkpoint and --config are of one WORK_DIR')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        if len(args.work_dirs) > 1:
            out = args.out or 'compare.html'
            path = compare_work_dirs(args.work_dirs, out, args.score_thr, args.seed)
        else:
            (work_dir,) = args.work_dirs
            path = write_report(work_dir, args.checkpoint, args.out, args.config, args.score_thr)
        print(f'Report: {path}')


if __name__ == '__main__':
    main()
