"""Serve a trained model over HTTP: images in, what is in them out.

    python tools/serve.py WORK_DIR
    python tools/serve.py --page [WORK_DIR ...]

WORK_DIR is what training leaves, a checkpoint in it, or an exported .onnx file. With --page people
also get a page, at /page, where they choose between several models; without a WORK_DIR these are
all below work_dirs/, the demo's first. The first is that of the API: then

    curl -F image=@photo.jpg http://127.0.0.1:8000/predict

answers with JSON; http://127.0.0.1:8000 explains the rest. Only programs of this machine reach the
server, unless --host says otherwise. Ctrl-C or SIGTERM ends it, after the image that the model
works at. What bounds memory and time is below; a request beyond a bound gets one sentence.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import UsageError
from classification.loading import load_model
from classification.serving.limits import Limits

_NEEDED = ('fastapi', 'uvicorn', 'python_multipart')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', metavar='WORK_DIR', type=Path, nargs='*', help='see above')
    parser.add_argument('--page', action='store_true', help='see above; needs gradio')
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
        needed = [*_NEEDED, 'gradio'] if args.page else _NEEDED
        missing = [name.replace('_', '-') for name in needed if find_spec(name) is None]
        if missing:
            raise UsageError(
                f'Serving needs {", ".join(missing)}, not installed here: pip install '
                f'{" ".join(missing)}.'
            )
        if len(args.models) != 1 and not args.page:
            raise UsageError(
                'Name one WORK_DIR, whose model the API serves, or add --page to choose.'
            )
        limits = Limits(args.max_bytes, args.max_pixels, args.queue, args.timeout, args.batch)
        load = partial(load_model, device=args.device)
        if args.page:
            _serve_page(args, load, limits)
        else:
            predictor = load(args.models[0])
            from classification.serving.app import create_app
            from classification.serving.server import run

            name = args.models[0].resolve().name
            run(create_app(predictor, limits, name), args.host, args.port)


def _serve_page(args: argparse.Namespace, load: Callable[..., Any], limits: Limits) -> None:
    from classification.serving.app import create_app
    from classification.serving.server import run
    from classification.webpage.choices import as_choices, find_choices
    from classification.webpage.page import PATH, mount
    from classification.webpage.shelf import Shelf

    choices = as_choices(args.models) if args.models else find_choices(Path('work_dirs'))
    app = create_app(load(choices[0].path), limits, choices[0].name)
    mount(app, Shelf(choices, load, app.state.services))
    run(app, args.host, args.port, PATH)


if __name__ == '__main__':
    main()
