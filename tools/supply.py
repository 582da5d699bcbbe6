"""Write the table of docs/supply.md: direct dependencies, their versions and licences.

    python tools/supply.py            # from pyproject.toml, requirements.txt and what is installed
    python tools/supply.py --check    # write nothing, fail where the page is out of date

It runs with Python 3.11, whose installed packages say their licences.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import metadata
from pathlib import Path

from classification.visualization.tables import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs/supply.md'
PYTHON = (3, 11)
TABLE = re.compile(r'(?<=<!-- table -->\n).*(?=<!-- end of table -->)', re.DOTALL)
TITLES = ('package', 'needed for', 'works with', 'tested with', 'licence')


def dependencies() -> Iterator[tuple[str, str, str]]:
    """(name, range, what it is needed for) of each direct dependency in pyproject.toml."""
    import tomllib  # new in Python 3.11

    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    groups = {'running': project['project']['dependencies']}
    groups |= project['project']['optional-dependencies']
    groups |= {'development': project['dependency-groups']['dev']}
    for use, requirements in groups.items():
        for requirement in requirements:
            name, versions = re.fullmatch(r'([\w.-]+)(.*)', requirement).groups()
            yield name, versions, use


def locked() -> dict[str, list[str]]:
    """Name -> versions in requirements.txt, of which a Python and a system take one."""
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(
        r'^([\w.-]+)==([^\s;]+)', (ROOT / 'requirements.txt').read_text(), re.M
    ):
        versions.setdefault(name, []).append(version)
    return versions


def licence(package: str) -> str:
    """What an installed package says: an SPDX expression, or the name that it gives itself."""
    told = metadata(package)
    classifiers = [text for text in told.get_all('Classifier', []) if text.startswith('License')]
    names = ', '.join(text.split(' :: ')[-1] for text in classifiers)
    return told.get('License-Expression') or names or told.get('License') or 'not said'


def table() -> str:
    """The table in Markdown; a package that the lock replaces by another is left out."""
    versions = locked()
    rows = [
        (name, use, needed or 'any', ', '.join(versions[name]), licence(name))
        for name, needed, use in dependencies()
        if name in versions
    ]
    return markdown(TITLES, rows) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    if sys.version_info[:2] != PYTHON:
        sys.exit('error: run it with Python 3.11, whose packages the page tells of.')
    found = PAGE.read_text()
    text = TABLE.sub(lambda _: table(), found)
    if text == found:
        return
    if args.check:
        sys.exit(f'error: {PAGE} is out of date: run `python tools/supply.py`.')
    PAGE.write_text(text)
    print(f'{PAGE} written')


if __name__ == '__main__':
    main()
