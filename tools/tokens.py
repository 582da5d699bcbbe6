"""Is it a long sequence? The tokens of each stage of a model against 6 times its channels.

    python tools/tokens.py
    python tools/tokens.py mila_tiny convnext_tiny --sizes 224 800x1280
    python tools/tokens.py configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py --json tokens.json

A Transformer block of L tokens with D channels costs 24 D^2 L + 4 D L^2 FLOPs, a multiply-add
counted twice: from L = 6 D on the part that is quadratic in the tokens is the larger one. That is
where Yu and Wang ("MambaOut: Do We Really Need Mamba for Vision?", CVPR 2025) let long sequences
begin, for which a mixer of linear cost, such as a state-space model or linear attention, should
pay.
"""

import argparse
import json
from itertools import groupby
from pathlib import Path

import torch
from benchmark import build, image_size
from text_table import markdown
from torch._subclasses.fake_tensor import FakeTensorMode

from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import UsageError

MODELS = ['vit_small_patch16_224', 'vit_base_patch16_224', 'mila_tiny', 'vmamba_tiny']
# What the papers count with: ImageNet, COCO, ADE20K.
SIZES = [(224, 224), (800, 1280), (512, 2048)]


def stages(name, size):
    """The maps that a model computes for an image; equal ones one after the other are one.

    Args:
        name: of a timm model, or path of a config.
        size: (height, width) of the image.

    Returns:
        [dict(stage='1' or '1-12', tokens, channels, threshold, ratio)].

    Raises:
        UsageError: no such model, or one without maps or not for this size.
    """
    model = build(name, dense=False).module.eval()
    model = getattr(model, 'backbone', model)
    images = torch.empty(1, 3, *size)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            if hasattr(model, 'forward_intermediates'):
                maps = model.forward_intermediates(images, intermediates_only=True)
            else:
                maps = model(images)
        shapes = [(y.shape[2] * y.shape[3], y.shape[1]) for y in maps]
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        reason = ' '.join(str(error).split())
        raise UsageError(
            f'{name} gives no maps of an image of {size[0]}x{size[1]} ({reason}): '
            'choose another model or size.'
        ) from None
    rows, last = [], 0
    for (tokens, channels), group in groupby(shapes):
        first, last = last + 1, last + len(list(group))
        rows.append(
            dict(
                stage=str(first) if first == last else f'{first}-{last}',
                tokens=tokens,
                channels=channels,
                threshold=6 * channels,
                ratio=tokens / (6 * channels),
            )
        )
    return rows


def table(rows):
    """Rows of `stages` with model and size, as Markdown."""
    lines = []
    for row in rows:
        size = 'x'.join(map(str, row['size']))
        long = f'{"yes" if row["ratio"] > 1 else "no"} ({row["ratio"]:.2f})'
        cells = [row[key] for key in ('stage', 'tokens', 'channels', 'threshold')]
        lines.append([Path(row['model']).stem, size, *cells, long])
    titles = ('model', 'image', 'stage', 'tokens', 'channels', '6 x channels', 'long')
    return markdown(titles, lines)


def parse_args(argv=None):
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


def main(argv=None):
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
