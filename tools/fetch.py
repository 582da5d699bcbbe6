"""Fetch released weights by name to where the configs expect them.

    python tools/fetch.py mila_tiny [--out checkpoints]

The names stand in docs/model_zoo.md. A file appears whole and checked or not at all; where its
authors publish no sha256, the one of the file is printed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.engine.cli import errors_in_one_sentence
from classification.zoo import models
from classification.zoo.download import fetch


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', metavar='NAME')
    parser.add_argument('--out', type=Path, default=Path('checkpoints'), metavar='DIR')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> Path:
    """Fetch, print the file and its digest, and return its path."""
    args = parse_args(argv)
    with errors_in_one_sentence():
        fetched = fetch(args.name, args.out, models())
        print(fetched)
    return fetched.path


if __name__ == '__main__':
    main()
