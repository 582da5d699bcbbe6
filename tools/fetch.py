"""Fetch released weights by name to where the configs expect them.

    python tools/fetch.py mila_tiny [--out checkpoints]

The names stand in docs/model_zoo.md. A file appears whole and checked or not at all; where its
authors publish no sha256, the one of the file is printed.
"""

import argparse
import difflib
import os
import socket
import tempfile
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import torch

from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import CheckpointError, UsageError
from classification.engine.files import file_sha256
from classification.engine.weights import read_checkpoint
from classification.zoo import models, released

TIMEOUT = 60  # seconds without an answer; Python's own is none


def fetch(release, folder):
    """Download released weights into a folder, unless they are there.

    Returns:
        Path of the file.

    Raises:
        CheckpointError: no answer, no checkpoint, or another digest than the known one.
    """
    url, digest = release.url, release.sha256
    path = folder / release.checkpoint.name
    if path.exists():
        read_checkpoint(path, digest)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix='.fetch-') as partial, _timeout():
        file = Path(partial) / path.name
        try:
            torch.hub.download_url_to_file(url, str(file), progress=True)
        except (OSError, HTTPException) as error:
            raise CheckpointError(
                f'{url} cannot be fetched ({error}): check the connection, or download it by hand '
                f'to {path}.'
            ) from None
        try:
            read_checkpoint(file, digest)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(file), url)) from None
        os.replace(file, path)
    return path


@contextmanager
def _timeout():
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', metavar='NAME')
    parser.add_argument('--out', type=Path, default=Path('checkpoints'), metavar='DIR')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        known = released(models())
        if args.name not in known:
            near = difflib.get_close_matches(args.name, known, cutoff=0.5) or known
            raise UsageError(
                f'No released weights are called {args.name}: did you mean {" or ".join(near)}?'
            )
        release = known[args.name].release
        path = fetch(release, args.out)
        compared = 'as published' if release.sha256 else 'none is published to compare'
        print(f'{path}: sha256 {file_sha256(path)} ({compared})')
    return path


if __name__ == '__main__':
    main()
