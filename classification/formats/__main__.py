"""Merge the shards of a prediction by many processes to the files that one process writes.

    python -m classification.formats DIR

DIR is what was given as --out. It needs numpy and Pillow alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..engine.errors import EXPECTED, DataError, shorten_list
from .merging import merge_shards


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog='python -m classification.formats',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', type=Path, metavar='DIR')
    args = parser.parse_args(argv)
    try:
        merged = merge_shards(args.folder)
        count = merged.done + merged.failures
        written = ' and '.join(merged.files) or 'no file for all images'
        print(f'{merged.done} of {count} images predicted, {args.folder} has {written}')
        if merged.failures:
            raise DataError(
                f'{merged.failures} of {count} images could not be predicted: '
                + shorten_list(merged.failed)
            )
    except EXPECTED as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
