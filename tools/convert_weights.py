"""Write a classifier's weights for timm, for the official code or as safetensors.

    python tools/convert_weights.py CHECKPOINT --to timm --out mila_tiny.pth
    python tools/convert_weights.py work_dirs/mine/epoch_10.pth --to safetensors \\
        --out mine.safetensors --config CONFIG --metrics metrics.json

CHECKPOINT may be in any format that classification/engine/weights reads. The file fits its model
strictly or nothing is written: with --config the model of a config, with --name one of timm's, else
the one released size that the weights fit. Beside FILE goes a card, FILE.json: architecture, input,
the file's sha256, and the metrics only where they are given. --to timm and --to safetensors are for
`timm.create_model(NAME, num_classes=N, checkpoint_path=FILE)`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classification.convert import FORMATS, card_path, convert
from classification.engine.cli import errors_in_one_sentence


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL')
    parser.add_argument('--to', choices=FORMATS, required=True)
    parser.add_argument('--out', type=Path, metavar='FILE', required=True)
    model = parser.add_mutually_exclusive_group()
    model.add_argument('--name', help="a model of timm's, such as mila_tiny or study_rope")
    model.add_argument('--config', metavar='CONFIG', help='of the training: sizes and input')
    parser.add_argument(
        '--ema',
        action=argparse.BooleanOptionalAction,
        help='the EMA weights or those in training; default: EMA where there are any',
    )
    parser.add_argument('--input-size', type=int, metavar='N', help='side of the images, in pixels')
    parser.add_argument(
        '--metrics', type=Path, metavar='FILE.json', help='as measured by tools/test.py --out'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        card = convert(
            args.checkpoint,
            args.out,
            args.to,
            name=args.name,
            config=args.config,
            ema=args.ema,
            input_size=args.input_size,
            metrics=args.metrics,
        )
        print(
            f'{args.out}: {card["architecture"]}, {card["parameters"] / 1e6:.1f} M parameters; '
            f'its card is {card_path(args.out)}'
        )


if __name__ == '__main__':
    main()
