"""The documents: what they link to is there, and a line of code is still the one they mean."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')]
LINK = re.compile(r'\[([^\]]*)\]\(([^)\s]+)\)')


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_what_they_name(path):
    for text, target in LINK.findall(path.read_text()):
        if '://' in target or target.startswith('#'):
            continue
        name, _, anchor = target.partition('#')
        file = path.parent / name
        assert file.exists(), f'{path.name} links to {target}'
        if number := re.fullmatch(r'L(\d+)', anchor):
            line = file.read_text().splitlines()[int(number[1]) - 1]
            assert text.strip('`') in line, f'{path.name}: {target} is {line!r}, not {text}'
