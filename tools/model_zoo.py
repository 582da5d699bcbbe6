"""Write the figures of the model zoo into the documentation, from the metafiles of configs/.

    python tools/model_zoo.py            # docs/model_zoo.md, and the tables between markers
    python tools/model_zoo.py --check    # write nothing, fail where a page is out of date

The metafiles' form: classification/zoo/metafiles.py; the markers: classification/zoo/pages.py.
"""

import argparse
import sys
from collections.abc import Sequence

from classification.zoo import models
from classification.zoo.pages import write_pages


def main(argv: Sequence[str] | None = None) -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    for page in write_pages(models(), args.check):
        if args.check:
            sys.exit(f'error: {page} is out of date: run `python tools/model_zoo.py`.')
        print(f'{page} written')


if __name__ == '__main__':
    main()
