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
from model_zoo import read_models, released

from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import CheckpointError, UsageError
from classification.engine.files import file_sha256
from classification.engine.weights import read_checkpoint

TIMEOUT = 60  # seconds without an answer; Python's own is none


def fetch(model, folder):
    """Download an entry's weights into a folder, unless they are there.

    Returns:
        Path of the file.

    Raises:
        CheckpointError: no answer, no checkpoint, or another digest than the known one.
    """
    url, digest = model['Weights'], model['SHA256']
    path = folder / Path(model['Checkpoint']).name
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
        models = released(read_models())
        if args.name not in models:
            near = difflib.get_close_matches(args.name, models, cutoff=0.5) or models
            raise UsageError(
                f'No released weights are called {args.name}: did you mean {" or ".join(near)}?'
            )
        path = fetch(models[args.name], args.out)
        known = 'as published' if models[args.name]['SHA256'] else 'none is published to compare'
        print(f'{path}: sha256 {file_sha256(path)} ({known})')
    return path


if __name__ == '__main__':
    main()
