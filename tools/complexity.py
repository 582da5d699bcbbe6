"""Count a config's parameters and FLOPs, part by part, as the papers' tables do.

    python tools/complexity.py configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py
    python tools/complexity.py CONFIG --shape 512 2048 --json complexity.json

A FLOP is a multiply-add of a convolution or a matrix product, for one image in a test-time
forward; norms, activations, interpolation, RoIAlign and NMS are not counted. A two-stage detector
is counted with as many proposals as its test_cfg keeps, 100 of them with masks, as mmdet counts.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from classification.benchmark.complexity import complexity, table
from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.loading import load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = config_parser(__doc__)
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='image size')
    parser.add_argument('--json', type=Path, metavar='FILE.json', help='write the counts there too')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = parse_args(argv)
    with errors_in_one_sentence():
        result = complexity(load_config(args.config, args.cfg_options), args.shape)
        print(table(result))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(result, indent=2) + '\n')
    return result


if __name__ == '__main__':
    main()
