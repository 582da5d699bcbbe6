"""Predict images: what is in them, drawn over them and written in a file for programs.

    python tools/predict.py CONFIG CHECKPOINT IMAGES… --out DIR

IMAGES are files, folders (searched in depth) and globs. DIR receives

    overlays/…       each image with its instances, its map of classes, or its five best classes
    results.json     detection: COCO format with file names, boxes, scores and RLE masks;
                     category ids are positions in `classes`, from 1
    masks/….png      segmentation: a palette PNG whose values are positions in `classes`, from 0
    results.json     classification: the five best classes of each image

Sub-folders and names are those of the images. Small images are enlarged in the overlays alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.device import get_device

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.config import load_config
from classification.engine.errors import DataError, shorten_list
from classification.engine.inference import Predictor, predict_files
from classification.engine.sources import find_images


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL')
    parser.add_argument('images', nargs='+', metavar='IMAGES', help='files, folders, globs')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of an instance in the overlays (default 0.3); results.json has all',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images of one size are predicted together'
    )
    parser.add_argument('--device', default=get_device(), help='default: %(default)s')
    args = parser.parse_args(argv)
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: this machine has no GPU that torch can use')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        images, skipped = find_images(args.images)
        if skipped:
            kinds = ', '.join(f'{count} {kind}' for kind, count in sorted(skipped.items()))
            print(f'Other files are left out: {kinds}')
        cfg = load_config(args.config, args.cfg_options)
        predictor = Predictor(cfg, args.checkpoint, args.device)
        failed = predict_files(predictor, images, args.out, args.batch_size, args.score_thr)
        print(f'{len(images) - len(failed)} of {len(images)} images predicted, see {args.out}')
        if failed:
            raise DataError(
                f'{len(failed)} of {len(images)} images could not be predicted: '
                + shorten_list([_reason(*item) for item in failed.items()])
            )


def _reason(file_name: str, error: Exception) -> str:
    """An image and what is wrong with it, in a line."""
    if isinstance(error, DataError):  # which names the file
        return str(error).rstrip('.')
    return f'{file_name} ({type(error).__name__}: {" ".join(str(error).split())[:200]})'


if __name__ == '__main__':
    main()
