"""Serve a trained model over HTTP: images in, what is in them out.

    python tools/serve.py WORK_DIR

WORK_DIR is what training leaves, a checkpoint in it, or an exported .onnx file. Then

    curl -F image=@photo.jpg http://127.0.0.1:8000/predict

answers with JSON; http://127.0.0.1:8000 explains the rest. Only programs of this machine reach the
server, unless --host says otherwise. Ctrl-C or SIGTERM ends it, after the image that the model
works at. What bounds memory and time is below; a request beyond a bound gets one sentence.
"""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import UsageError
from classification.loading import load_model
from classification.serving.limits import Limits

_NEEDED = ('fastapi', 'uvicorn', 'python_multipart')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', metavar='WORK_DIR', type=Path, help='see above')
    parser.add_argument('--host', default='127.0.0.1', help='default: %(default)s')
    parser.add_argument(
        '--port', type=int, default=8000, help='default: %(default)s; 0: a free one'
    )
    parser.add_argument('--device', help="such as cpu or cuda:1; default: the machine's best")
    for name, text in {
        'max-bytes': 'of a request',
        'max-pixels': 'of an image',
        'queue': 'requests that are read, wait or are answered at one time',
        'timeout': 'seconds until a prediction',
        'batch': 'waiting images of one size that are predicted together',
    }.items():
        default = getattr(Limits, name.replace('-', '_'))
        parser.add_argument(
            f'--{name}', type=type(default), default=default, help=f'{text} (default {default})'
        )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        missing = [name.replace('_', '-') for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise UsageError(
                f'Serving needs {", ".join(missing)}, not installed here: pip install '
                f'{" ".join(missing)}.'
            )
        from classification.serving.app import create_app
        from classification.serving.server import run

        limits = Limits(args.max_bytes, args.max_pixels, args.queue, args.timeout, args.batch)
        predictor = load_model(args.model, device=args.device)
        run(create_app(predictor, limits, args.model.resolve().name), args.host, args.port)


if __name__ == '__main__':
    main()
