"""Is it a long sequence? The tokens of each stage of a model against 6 times its channels.

    python tools/tokens.py
    python tools/tokens.py mila_tiny convnext_tiny --sizes 224 800x1280
    python tools/tokens.py configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py --json tokens.json

Why 6 times: classification/benchmark/tokens.py.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from classification.benchmark.sizes import image_size
from classification.benchmark.tokens import stages, table
from classification.engine.cli import errors_in_one_sentence

MODELS = ['vit_small_patch16_224', 'vit_base_patch16_224', 'mila_tiny', 'vmamba_tiny']
# What the papers count with: ImageNet, COCO, ADE20K.
SIZES = [(224, 224), (800, 1280), (512, 2048)]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='*', default=MODELS, metavar='NAME|CONFIG')
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=image_size,
        default=SIZES,
        metavar='N|HxW',
        help='default: 224 800x1280 512x2048',
    )
    parser.add_argument('--json', type=Path, metavar='FILE.json', help='write the rows there too')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    args = parse_args(argv)
    with errors_in_one_sentence():
        rows = [
            dict(model=name, size=list(size), **row)
            for name in args.models
            for size in args.sizes
            for row in stages(name, size)
        ]
        print(table(rows))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(rows, indent=2) + '\n')
    return rows


if __name__ == '__main__':
    main()
