"""tools/supply.py: the page follows the lock, and says the licence of every direct dependency."""

import re
import sys

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason='the page tells of the packages of Python 3.11'
)
LOCK = 'torch==9.1\nnumpy==2.1 ; python_full_version < "3.11"\nnumpy==2.5 ; sys_platform\n'


@pytest.fixture
def supply(script):
    return script('supply')


def test_the_page_is_up_to_date(supply):
    supply.main(['--check'])


def test_every_dependency_has_its_row_and_a_licence(supply):
    rows = supply.table().splitlines()[2:]
    names = [row.split(' | ')[0].strip('| ') for row in rows]
    declared = [name for name, *_ in supply.dependencies() if name != 'opencv-python']
    assert names == declared and len(names) > 20
    assert not any(re.search(r'\|\s*\||not said', row) for row in rows)


def test_another_lock_makes_it_stale(supply, tmp_path, monkeypatch):
    for name in ('pyproject.toml', 'requirements.txt'):
        (tmp_path / name).write_text((ROOT / name).read_text())
    page = tmp_path / 'supply.md'
    page.write_text(supply.PAGE.read_text())
    monkeypatch.setattr(supply, 'ROOT', tmp_path)
    monkeypatch.setattr(supply, 'PAGE', page)
    (tmp_path / 'requirements.txt').write_text(LOCK)
    with pytest.raises(SystemExit, match='out of date: run `python tools/supply.py`'):
        supply.main(['--check'])
    supply.main([])
    rows = [line for line in page.read_text().splitlines() if line.startswith('|')][2:]
    assert [row.split(' | ')[3] for row in rows] == ['9.1', '2.1, 2.5']
    supply.main(['--check'])
