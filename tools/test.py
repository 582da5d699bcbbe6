"""Evaluate a checkpoint on the config's test set and print its metrics.

    python tools/test.py CONFIG CHECKPOINT [--out FILE.json] [--show-dir DIR] [--tta]
    python tools/test.py CONFIG CHECKPOINT --input-size 288 --crop-pct 1.0

CHECKPOINT may be in any format that classification/engine/weights reads; it must fit the model.
Of a classifier's file with EMA weights beside those in training both are evaluated, in
one pass over the images; elsewhere the averaged ones are. For several processes see
tools/dist_test.sh and tools/slurm_test.sh; for predictions in files see tools/predict.py.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from classification.engine.running.side_by_side import SideBySideHook
from classification.engine.running.testing import evaluate
from classification.evaluation.exported import evaluate_exported
from classification.exported.model import is_exported
from classification.visualization.colours import PALETTES


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = config_parser(__doc__)
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help='path or URL, or an exported .onnx file'
    )
    parser.add_argument('--work-dir', help='for the log; default: work_dirs/<name of the config>')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the metrics there too')
    parser.add_argument(
        '--show-dir',
        type=Path,
        metavar='DIR',
        help='write a picture of each image there: the truth, and the prediction with its errors',
    )
    parser.add_argument(
        '--palette',
        choices=PALETTES,
        default='dataset',
        help="colours of the classes: the dataset's, or Okabe and Ito's, for all eyes",
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="average over the augmentations of the config's tta_pipeline, such as scales and flip",
    )
    parser.add_argument(
        '--input-size',
        type=int,
        metavar='N',
        help="side of a classifier's test images in pixels, other than the config's",
    )
    parser.add_argument(
        '--crop-pct',
        type=float,
        metavar='SHARE',
        help='share of the resized image that the central crop keeps, above 0 and at most 1',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.json':
        parser.error(f'--out takes a .json file, not {args.out}')
    if args.crop_pct is not None and not 0 < args.crop_pct <= 1:
        parser.error(f'--crop-pct is above 0 and at most 1, not {args.crop_pct}')
    return args


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    args = parse_args(argv)
    with errors_in_one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
        if is_exported(args.checkpoint):
            if args.show_dir or args.tta or args.input_size or args.crop_pct:
                raise UsageError(
                    f'{args.checkpoint} is an exported model: it is tested without --show-dir, '
                    '--tta, --input-size and --crop-pct.'
                )
            return _report(evaluate_exported(cfg, args.checkpoint), args.out)
        hooks = [SideBySideHook(args.show_dir, args.palette)] if args.show_dir else []
        metrics = evaluate(
            cfg, args.checkpoint, args.tta, args.input_size, args.crop_pct, hooks=hooks
        )
        return _report(metrics, args.out)


def _report(metrics: dict[str, float], out: Path | None) -> dict[str, float]:
    """Print and keep metrics."""
    if is_main_process():
        for name, value in metrics.items():
            print(f'{name:24} {value:.4f}')
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            # JSON has no NaN, which metrics of classes without objects are.
            strict = {n: float(v) if math.isfinite(v) else None for n, v in metrics.items()}
            out.write_text(json.dumps(strict, indent=2, allow_nan=False) + '\n')
    return metrics


if __name__ == '__main__':
    main()
