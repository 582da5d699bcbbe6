"""Check annotated images: all problems at once, each with file and record, and what is there.

    python tools/check_dataset.py PHOTOS [--layout coco] [--html sheet.html]
    python tools/check_dataset.py CONFIG.py

PHOTOS is a folder of images with annotations in any layout that is read, or a file of annotations;
of a config its own datasets are checked, as they are before each training, with damaged images and
those that are there twice besides. Fatal problems end in exit code 1: nothing is trained before
they are mended. Doubtful ones can be trained on, and are probably not what was meant.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, DictAction

from classification.annotations.checks.dataset import check
from classification.annotations.checks.pixels import check_pixels
from classification.annotations.merging import merge
from classification.annotations.problems.problem import Severity, worst
from classification.annotations.recognise import LAYOUTS, TASKS, read_dataset
from classification.annotations.records import Annotations
from classification.annotations.report.sheet import write_sheet
from classification.annotations.report.summary import summarise
from classification.annotations.report.text import describe, list_problems
from classification.engine.cli import errors_in_one_sentence
from classification.engine.configs.checks import read_data
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('path', metavar='PATH', type=Path, help='a folder, a file, or a config')
    parser.add_argument('--layout', choices=LAYOUTS, help='default: recognised by looking')
    parser.add_argument('--task', choices=TASKS, help='what is to be learned')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='names in order')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the images')
    parser.add_argument('--labels', type=Path, metavar='DIR', help='folder of the annotations')
    parser.add_argument('--html', type=Path, metavar='FILE', help='write a page with samples there')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change entries of the config',
    )
    return parser.parse_args(argv)


def read(args: argparse.Namespace) -> Annotations:
    """What the arguments name, with all problems but those of the pixels."""
    if args.path.suffix != '.py':
        annotations = read_dataset(
            args.path, args.layout, args.task, args.classes, args.images, args.labels
        )
        annotations.problems = check(annotations)
        return annotations
    cfg: Config = load_config(str(args.path), args.cfg_options)
    found = read_data(cfg)
    if not found:
        raise UsageError(f'{args.path} has no datasets of a kind that can be checked here.')
    return found[0] if len(found) == 1 else merge(found, args.path)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        annotations = read(args)
        problems = [*annotations.problems, *check_pixels(annotations)]
        summary = summarise(annotations)
        print(describe(annotations, summary))
        print(list_problems(problems))
        if args.html:
            write_sheet(args.html, annotations, problems, summary)
            print(f'{args.html} shows samples.')
    if worst(problems) is Severity.FATAL:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
