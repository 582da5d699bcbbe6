"""Explain the result of a training, or compare several: one HTML file with everything in it.

    python tools/analyze.py WORK_DIR [--checkpoint PATH] [--out report.html]
    python tools/analyze.py WORK_DIR WORK_DIR… --out compare.html
    python tools/analyze.py --results PATH… --truth PATH [--images DIR] --out report.html

Evaluates a checkpoint on the test set of the config in WORK_DIR, and writes the metrics, curves of
the training, the classes, what is confused with what, the kinds of a detector's errors, the worst
and best images, speed and memory. Of several trainings each is compared with the first, with
intervals by the bootstrap. What the report shows: docs/report.md.

With --results nothing is evaluated: PATH is what tools/predict.py has written before, or several of
it to be compared, and the truth decides the task:

    detection: results.json, and an annotation file in COCO's format
    segmentation: a folder of PNG maps of classes, and a folder of the true maps, of the same names
    classification: results.json, and a folder with a folder of images for each class
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.analysis.comparison import compare_work_dirs, write_comparison
from classification.analysis.report import write_report, write_results_report
from classification.analysis.runs import Run
from classification.analysis.saved import read_class_results
from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import UsageError


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', metavar='WORK_DIR', type=Path, nargs='*', help='of a training')
    parser.add_argument(
        '--checkpoint', metavar='PATH', help='default: the best in WORK_DIR, else the last'
    )
    parser.add_argument('--config', metavar='PATH', help='default: the one in WORK_DIR')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE.html',
        help='default: report.html in WORK_DIR; else report.html or compare.html here',
    )
    saved = parser.add_argument_group('results that were saved before')
    saved.add_argument('--results', metavar='PATH', type=Path, nargs='+', help='see above')
    saved.add_argument('--truth', metavar='PATH', type=Path, help='see above')
    saved.add_argument(
        '--images', metavar='DIR', type=Path, help='of detection and segmentation, to show them'
    )
    saved.add_argument(
        '--classes', metavar='NAME', nargs='+', help='of segmentation; default: their numbers'
    )
    saved.add_argument(
        '--zero-is-ignored',
        action='store_true',
        help='in the true maps 0 is no class, and 1 the first one, as in ADE20K',
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
    if bool(args.work_dirs) == bool(args.results):
        parser.error('give either WORK_DIRs or --results')
    if bool(args.results) != bool(args.truth):
        parser.error('--results and --truth belong together')
    if len(args.work_dirs) != 1 and (args.checkpoint or args.config):
        parser.error('--checkpoint and --config are of one WORK_DIR')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        if args.results:
            runs = [read_results(path, args) for path in args.results]
            if len(runs) > 1:
                path = write_comparison(runs, args.out or 'compare.html', args.seed)
            else:
                path = write_results_report(runs[0], args.out or 'report.html')
        elif len(args.work_dirs) > 1:
            out = args.out or 'compare.html'
            path = compare_work_dirs(args.work_dirs, out, args.score_thr, args.seed)
        else:
            (work_dir,) = args.work_dirs
            path = write_report(work_dir, args.checkpoint, args.out, args.config, args.score_thr)
        print(f'Report: {path}')


def read_results(path: Path, args: argparse.Namespace) -> Run:
    """Saved results of the task that the truth is of."""
    for one in (path, args.truth):
        if not one.exists():
            raise UsageError(f'{one} does not exist: give saved results and their truth.')
    if args.truth.is_file():
        from detection.analysis.saved import read_detections  # loads mmdet

        return read_detections(path, args.truth, args.images, args.score_thr)
    if path.is_file():
        return read_class_results(path, args.truth)
    from segmentation.analysis.saved import read_map_results  # loads mmseg

    return read_map_results(path, args.truth, args.images, args.classes, args.zero_is_ignored)


if __name__ == '__main__':
    main()
