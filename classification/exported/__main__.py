"""Predict images with an exported model: drawn over them and written in files for programs.

    python -m classification.exported MODEL.onnx IMAGES… --out DIR

MODEL.onnx is what tools/export.py writes. It needs numpy, Pillow and onnxruntime alone; videos and
the formats yolo and labelme need OpenCV as well.
"""

import argparse
import sys
from collections.abc import Sequence

from ..engine.errors import EXPECTED
from ..engine.prediction.command import IMAGES_AND_RESULTS, add_arguments, predict
from .model import load


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m classification.exported',
        description=f'{__doc__}\n{IMAGES_AND_RESULTS}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('model', metavar='MODEL.onnx')
    add_arguments(parser)
    parser.add_argument('--device', help='such as cpu or cuda:1; default: a GPU where there is one')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        predict(args, lambda: load(args.model, args.device, args.tile))
    except EXPECTED as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
