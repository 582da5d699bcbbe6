"""Fine-tune on a folder of annotated images of your own: look, check, choose, train, report.

    python tools/finetune.py PHOTOS/
    python tools/finetune.py PHOTOS/ --task segment --model mila-s --budget 30min --gpus 2

PHOTOS may be COCO JSON, YOLO, Pascal VOC, labelme, CVAT, images with maps of classes, or a folder
per class (docs/own-images). Nothing is copied. The work dir receives config.py, an ordinary config
with all that was chosen and why, the checkpoints and report.html. The same command goes on after
an interruption.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from classification.annotations.recognise import LAYOUTS
from classification.engine.cli import errors_in_one_sentence
from classification.finetuning.recipe import TEMPLATES, backbones
from classification.finetuning.run import Request, finetune

_UNITS = {'': 60, 's': 1, 'sec': 1, 'm': 60, 'min': 60, 'h': 3600, 'd': 86400}


def seconds(text: str) -> float:
    """'90s', '30min', '2h' or '1d' in seconds; a plain number is minutes."""
    match = re.fullmatch(r'(\d+(?:\.\d+)?)\s*([a-z]*)', text.strip().lower())
    if not match or match[2] not in _UNITS or not float(match[1]):
        raise argparse.ArgumentTypeError(f'{text!r} is no time such as 30min, 2h or 1d')
    return float(match[1]) * _UNITS[match[2]]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('path', type=Path, metavar='PHOTOS')
    parser.add_argument(
        '--task',
        choices=list(TEMPLATES),
        help='classes of images, boxes, boxes with masks, or maps of classes; default: what the '
        'annotations allow',
    )
    parser.add_argument('--layout', choices=LAYOUTS, help='default: recognised by looking')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='names in order')
    parser.add_argument('--images', type=Path, metavar='DIR', help='where the images are')
    parser.add_argument('--labels', type=Path, metavar='DIR', help='where the annotations are')
    parser.add_argument('--model', choices=backbones(), default='mila-t', help='default: mila-t')
    heads = '; '.join(f'{task}: {", ".join(names)}' for task, names in TEMPLATES.items())
    parser.add_argument('--head', help=f'default: the first of {heads}')
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--weights',
        type=Path,
        metavar='FILE',
        help='ImageNet weights, or a checkpoint with this backbone; default: the released ones '
        'where tools/fetch.py puts them',
    )
    start.add_argument('--from-scratch', action='store_true', help='start from random weights')
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--epochs', type=int)
    length.add_argument(
        '--budget', type=seconds, metavar='TIME', help='as 90s, 30min, 2h or 1d: epochs that fit'
    )
    parser.add_argument('--gpus', type=int, default=1, metavar='N', help='processes that train')
    parser.add_argument(
        '--no-flip', action='store_true', help='mirrored images mean something else, as in text'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the split and the training')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of PHOTOS>')
    parser.add_argument('--plan', action='store_true', help='write the config and do not train')
    args = parser.parse_args(argv)
    if args.epochs is not None and args.epochs < 1:
        parser.error(f'--epochs is at least 1, not {args.epochs}')
    if args.gpus < 1:
        parser.error(f'--gpus is at least 1, not {args.gpus}')
    return args


def main(argv: Sequence[str] | None = None) -> Path:
    args = parse_args(argv)
    work_dir = args.work_dir or Path('work_dirs') / args.path.resolve().stem
    request = Request(
        path=args.path,
        task=args.task,
        layout=args.layout,
        classes=args.classes,
        images=args.images,
        labels=args.labels,
        model=args.model,
        head=args.head,
        weights=args.weights,
        from_scratch=args.from_scratch,
        epochs=args.epochs,
        budget=args.budget,
        gpus=args.gpus,
        flip=not args.no_flip,
        seed=args.seed,
    )
    with errors_in_one_sentence():
        return finetune(request, work_dir, args.plan)


if __name__ == '__main__':
    main()
