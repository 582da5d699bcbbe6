"""The command line of predicting, of whatever predictor: images in, a folder of results out."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError, shorten_list
from .base import ImagePredictor
from .files import predict_files
from .sources import find_sources

IMAGES_AND_RESULTS = """\
IMAGES are files, folders (searched in depth), globs, addresses (http, https), videos, frame by
frame, and the number of a camera, until Ctrl-C. DIR, a new or empty folder, receives

    overlays/…       each image with its instances, its map of classes, or its five best classes
    results.json     --format coco, detection: COCO format with file names, boxes, scores and RLE
                     masks; category ids are positions in `classes`, from 1
    labels/….txt     --format yolo, detection: to train on again, as the next
    labelme/….json   --format labelme, detection: to correct in labelme
    masks/….png      --format png, segmentation: a palette PNG of positions in `classes`, from 0
    results.json     --format json, classification: the five best classes of each image
    results.csv      --format csv: instances or pixels per class, or the best class

Sub-folders and names are those of the images; where two would have one name the suffix stays.
Small images are enlarged in the overlays alone, very large ones reduced. Results are written as
they come, results.json line by line to results.jsonl until the end. An image that cannot be
predicted is named at the end, with exit code 1, and costs no other its result.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command that predicts takes."""
    parser.add_argument('images', nargs='+', metavar='IMAGES', help='see above')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    parser.add_argument(
        '--format', nargs='+', default=[], metavar='FORMAT', help='see above; default: the first'
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of an instance in overlays, yolo, labelme and csv (default 0.3); '
        'results.json has all',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images of one size are predicted together'
    )
    parser.add_argument(
        '--tile',
        type=int,
        metavar='SIDE',
        help='predict larger images in overlapping tiles of this side in pixels, merged to one',
    )


def predict(args: argparse.Namespace, load: Callable[[], ImagePredictor]) -> None:
    """Predict the images of a command line, and tell how many could be.

    Args:
        args: what `add_arguments` has added.
        load: gives the predictor; called once the images are found.

    Raises:
        UsageError: as `find_sources` and `predict_files`, or what `load` raises.
        DataError: some of the images could not be predicted.
    """
    found = find_sources(args.images)
    if found.skipped:
        kinds = ', '.join(f'{count} {kind}' for kind, count in sorted(found.skipped.items()))
        print(f'Other files are left out: {kinds}')
    predictor = load()
    try:
        predicted = predict_files(
            predictor,
            found.sources,
            args.out,
            args.batch_size,
            args.score_thr,
            args.format,
            found.count,
        )
    except KeyboardInterrupt:
        print(f'Interrupted: what was predicted is in {args.out}', file=sys.stderr)
        sys.exit(130)
    done, bare, failed = predicted
    count = done + len(failed)
    print(f'{done} of {count} images predicted, see {args.out}')
    if bare:
        print(
            f'In {bare} of them nothing has a score of at least {args.score_thr:g}: their '
            'overlays are bare, --score-thr draws what is less sure.'
        )
    if failed:
        raise DataError(
            f'{len(failed)} of {count} images could not be predicted: '
            + shorten_list([_reason(*item) for item in failed.items()])
        )


def _reason(file_name: str, error: Exception) -> str:
    """An image and what is wrong with it, in a line."""
    if isinstance(error, DataError):  # which names the file
        return str(error).rstrip('.')
    return f'{file_name} ({type(error).__name__}: {" ".join(str(error).split())[:200]})'
