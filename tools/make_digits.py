"""Build a small real dataset in the layouts of ImageNet, COCO and ADE20K from handwritten digits.

    python tools/make_digits.py --out data/digits

The ink is real, scikit-learn's 1,797 handwritten digits, so nothing is downloaded; what is around
it is drawn. The layouts: classification/datasets/digits_files.py.
"""

import argparse
import sys
from dataclasses import fields

from classification.datasets.digits import Settings
from classification.datasets.digits_files import describe, make_digits


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--out', default='data/digits', help='folder to create')
    for item in fields(Settings):
        parser.add_argument(
            f'--{item.name.replace("_", "-")}',
            type=item.type,
            default=item.default,
            help=item.metadata['help'],
        )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    arguments = vars(parse_args(argv))
    try:
        manifest = make_digits(arguments.pop('out'), **arguments)
    except (ValueError, FileExistsError) as error:
        sys.exit(f'make_digits: {error}')
    print(describe(manifest))


if __name__ == '__main__':
    main()
