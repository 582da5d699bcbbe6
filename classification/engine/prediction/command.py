"""The command line of predicting, of whatever predictor: images in, a folder of results out."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ...visualization.colours import PALETTES, choose_palette
from ..errors import DataError, one_line, shorten_list
from ..machine.ranks import place
from .base import ImagePredictor
from .files import predict_files
from .shards import Shards, predict_shards
from .sources import Found, find_sources

IMAGES_AND_RESULTS = """\
IMAGES are files, folders (searched in depth), globs, text files (.txt) with a path in each line,
tar files (.tar, or a glob of them), addresses (http, https), videos, frame by frame, and the number
of a camera, until Ctrl-C. DIR, a new or empty folder, receives

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

Several processes, started by torchrun or srun, share the images: DIR/shards receives a file for
each 1000, or for each tar file, and then
    python -m classification.formats DIR
makes results.json and results.csv of them. The same command resumes. No overlays are drawn then,
but with --overlays.
"""
_SHARD_SIZE = 1000  # images


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
    parser.add_argument(
        '--overlays',
        action=argparse.BooleanOptionalAction,
        help='draw results over the images; default: unless in shards',
    )
    parser.add_argument(
        '--palette',
        choices=PALETTES,
        default='dataset',
        help="colours of the classes: the dataset's, or Okabe and Ito's, for all eyes",
    )
    parser.add_argument(
        '--shard-size',
        type=int,
        metavar='N',
        help=f'images per shard; default: {_SHARD_SIZE} of several processes, no shards of one',
    )


def predict(args: argparse.Namespace, load: Callable[[], ImagePredictor]) -> None:
    """Predict the images of a command line, and tell how many could be.

    Args:
        args: what `add_arguments` has added.
        load: gives the predictor; called once the images are found.

    Raises:
        UsageError: as `find_sources`, `predict_files` and `predict_shards`, or what `load` raises.
        DataError: some of the images could not be predicted; of shards, all of one.
    """

    def load_coloured() -> ImagePredictor:
        predictor = load()
        predictor.palette = choose_palette(args.palette, predictor.palette)
        return predictor

    rank, processes = place(os.environ)
    found = find_sources(args.images)
    if found.skipped:
        kinds = ', '.join(f'{count} {kind}' for kind, count in sorted(found.skipped.items()))
        print(f'Other files are left out: {kinds}')
    try:
        if processes > 1 or args.shard_size is not None:
            _predict_shards(args, found, load_coloured, rank, processes)
        else:
            _predict_files(args, found, load_coloured)
    except KeyboardInterrupt:
        print(f'Interrupted: what was predicted is in {args.out}', file=sys.stderr)
        sys.exit(130)


def _predict_shards(
    args: argparse.Namespace,
    found: Found,
    load: Callable[[], ImagePredictor],
    rank: int,
    processes: int,
) -> None:
    """As `predict`, by several processes.

    Images that could not be predicted do not make the exit code 1, on which torchrun would end the
    other processes.
    """
    shards = Shards(found, _SHARD_SIZE if args.shard_size is None else args.shard_size)
    done = predict_shards(
        load(),
        shards,
        args.out,
        rank,
        processes,
        args.batch_size,
        args.score_thr,
        args.format,
        bool(args.overlays),
    )
    print(
        f'Rank {rank} of {processes}: {done.images} images in {done.shards} shards, '
        f'{done.failed} of them could not be predicted. '
        + (
            f'{done.missing} of {len(shards)} shards are missing.'
            if done.missing
            else f'All {len(shards)} shards are complete, to merge them: '
            f'python -m classification.formats {args.out}'
        ),
        flush=True,
    )


def _predict_files(
    args: argparse.Namespace, found: Found, load: Callable[[], ImagePredictor]
) -> None:
    """As `predict`, by one process."""
    predicted = predict_files(
        load(),
        found.sources,
        args.out,
        args.batch_size,
        args.score_thr,
        args.format,
        found.count,
        args.overlays is not False,
    )
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
    return f'{file_name} ({type(error).__name__}: {one_line(error, 200)})'
