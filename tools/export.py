"""Export a trained model to a file that runs without PyTorch, and show that it gives the same.

    python tools/export.py CONFIG CHECKPOINT --to onnx [--out FILE]

The exported model takes images as they are, (B, H, W, 3) uint8 in RGB, and gives scores, a map of
classes, or boxes, labels, scores and masks; only a classifier's resizing and cropping is left to
the caller. `python -m classification.exported FILE IMAGES… --out DIR` runs it with NumPy, Pillow
and ONNX Runtime alone. docs/deployment.md says more.

    --to onnx           one .onnx file, checked in ONNX Runtime
    --to openvino       an .xml file with its .bin, made from the ONNX graph, checked in OpenVINO
    --to torch-export   a .pt2 file of the network alone, for torch.export.load
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from classification.engine.extras import need

_NEEDED = dict.fromkeys(['onnx', 'torch-export'], ['onnx', 'onnxscript', 'onnxruntime'])
_NEEDED['openvino'] = [*_NEEDED['onnx'], 'openvino']


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL of the weights')
    parser.add_argument('--to', required=True, choices=list(_NEEDED), help='see above')
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='default: beside CHECKPOINT, under its name'
    )
    parser.add_argument(
        '--size',
        type=_size,
        default='usual',
        metavar='HxW|dynamic',
        help='height and width of the images in pixels, or dynamic for any; default: what the '
        "model's config says, which is any for detectors and segmentors",
    )
    parser.add_argument(
        '--batch',
        type=_batch,
        metavar='N|dynamic',
        help='number of images at a time; default: any',
    )
    parser.add_argument(
        '--bare',
        action='store_true',
        help='the network alone, which takes normalised float32 images and gives its raw outputs',
    )
    parser.add_argument(
        '--backbone', action='store_true', help='the maps of the backbone alone, as with --bare'
    )
    parser.add_argument(
        '--int8',
        nargs='?',
        const='',
        metavar='FOLDER',
        help='weights and activations of 8 bits, calibrated on the images of FOLDER; without '
        'FOLDER activations are measured while the model runs',
    )
    parser.add_argument(
        '--images',
        nargs='+',
        default=[],
        metavar='IMAGE',
        help='real images for the comparison; default: the first of the test dataset',
    )
    args = parser.parse_args(argv)
    args.bare = args.bare or args.backbone or args.to == 'torch-export'
    if args.int8 is not None and (args.to != 'onnx' or args.bare):
        parser.error('--int8 is for whole models in ONNX: give --to onnx, without --bare.')
    if args.images and (args.int8 is not None or args.bare):
        parser.error('--images is for whole models in float32, which alone are compared on images.')
    return args


def _size(text: str) -> str | tuple[int, int] | None:
    if text == 'usual':  # the default, which argparse converts, too
        return text
    if text == 'dynamic':
        return None
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match or not int(match[1]) or not int(match[2]):
        raise argparse.ArgumentTypeError(
            f'{text!r} is neither like 224x192, height first, nor dynamic'
        )
    return int(match[1]), int(match[2])


def _batch(text: str) -> int | None:
    if text == 'dynamic':
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number from 1 nor dynamic')
    return int(text)


def main(argv: Sequence[str] | None = None) -> Path:
    """Export, compare, and return the file's path."""
    args = parse_args(argv)
    with errors_in_one_sentence():
        for package in _NEEDED[args.to]:
            need(package, package, 'Exporting')
        from classification.export.exporting import Request, export

        if '://' in args.checkpoint and args.out is None:
            raise UsageError(f'{args.checkpoint} is an address: name the file to write with --out.')
        request = Request(
            to=args.to,
            out=args.out or Path(args.checkpoint).with_suffix(''),
            size=args.size,
            batch=args.batch,
            bare=args.bare,
            backbone=args.backbone,
            int8=args.int8,
            images=args.images,
        )
        return export(load_config(args.config, args.cfg_options), args.checkpoint, request)


if __name__ == '__main__':
    main()
