"""Predict images: what is in them, drawn over them and written in files for programs.

    python tools/predict.py WORK_DIR IMAGES… --out DIR
    python tools/predict.py CONFIG CHECKPOINT IMAGES… --out DIR
    python tools/predict.py MODEL.onnx IMAGES… --out DIR

WORK_DIR is what training leaves, or a checkpoint in it: its config is found beside it, and of the
checkpoints the best, else the last. What ends in .py is a CONFIG, and what ends in .onnx is a model
that tools/export.py has written.
"""

import argparse
from collections.abc import Sequence

import torch

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.loading import load_config
from classification.engine.machine.ranks import local_rank
from classification.engine.prediction.base import ImagePredictor
from classification.engine.prediction.command import IMAGES_AND_RESULTS, add_arguments, predict
from classification.engine.prediction.predictor import Predictor
from classification.engine.running.trained import find_trained
from classification.exported.model import is_exported
from classification.loading import load_model


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = config_parser(
        f'{__doc__}\n{IMAGES_AND_RESULTS}', metavar='WORK_DIR, CONFIG CHECKPOINT or MODEL.onnx'
    )
    add_arguments(parser)
    parser.add_argument('--device', help='such as cpu or cuda:1; default: a GPU where there is one')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32')
    args = parser.parse_args(argv)
    args.checkpoint = args.images.pop(0) if args.config.endswith('.py') else None
    if not args.images:
        parser.error('after CONFIG come CHECKPOINT and IMAGES')
    args.exported = is_exported(args.config)
    if args.exported and args.cfg_options:
        parser.error('an exported model has no config to change by --cfg-options')
    needs_gpu = not args.exported and (args.device or '').startswith('cuda')
    if needs_gpu and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: this machine has no GPU that torch can use')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)

    def load() -> ImagePredictor:
        if args.exported:
            return load_model(
                args.config, device=args.device, precision=args.precision, tile=args.tile
            )
        if args.device is None and torch.cuda.is_available():  # one of each process's own
            torch.cuda.set_device(local_rank() % torch.cuda.device_count())
        config, checkpoint = args.config, args.checkpoint
        if checkpoint is None:
            config, checkpoint = find_trained(config)
        cfg = load_config(config, args.cfg_options)
        return Predictor(cfg, checkpoint, args.device, args.precision, args.tile)

    with errors_in_one_sentence():
        predict(args, load)


if __name__ == '__main__':
    main()
