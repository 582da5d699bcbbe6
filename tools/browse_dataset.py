"""Look at what a config's data pipeline feeds to the model, with the truth drawn on it.

    python tools/browse_dataset.py CONFIG --out browse
    python tools/browse_dataset.py CONFIG --split val --number 40

Of training the images are those of the run's first epoch, after all augmentations, mosaic and mixup
among them, with the normalisation undone. DIR receives one picture for each and sheet.jpg with all.
"""

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from classification.datasets.browsing import SPLITS, browse
from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.checks import check_data
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from classification.visualization.colours import PALETTES
from classification.visualization.sheet import Panel, sheet

_COLUMNS, _SIDE = 4, 320  # of the sheet; pixels


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = config_parser(__doc__)
    parser.add_argument('--out', type=Path, default=Path('browse'), metavar='DIR')
    parser.add_argument('--number', type=int, default=16, metavar='N', help='default: 16')
    parser.add_argument('--split', choices=SPLITS, default='train')
    parser.add_argument(
        '--palette',
        choices=PALETTES,
        default='dataset',
        help="colours of the classes: the dataset's, or Okabe and Ito's, for all eyes",
    )
    args = parser.parse_args(argv)
    if args.number < 1:
        parser.error('--number is at least 1')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        cfg = load_config(args.config, args.cfg_options)
        check_data(cfg, args.split)
        if args.out.is_dir() and any(args.out.iterdir()):
            raise UsageError(f'{args.out} is not empty: choose another folder, or empty it.')
        args.out.mkdir(parents=True, exist_ok=True)
        panels = []
        for i, picture in enumerate(islice(browse(cfg, args.split, args.palette), args.number)):
            picture.save(args.out / f'{i:06d}.png')
            panels.append(Panel(picture, f'{i:06d}.png'))
        rows = [panels[i : i + _COLUMNS] for i in range(0, len(panels), _COLUMNS)]
        sheet(rows, _SIDE).save(args.out / 'sheet.jpg')
        print(f'{len(panels)} images of {args.split} are in {args.out}, all on its sheet.jpg')


if __name__ == '__main__':
    main()
