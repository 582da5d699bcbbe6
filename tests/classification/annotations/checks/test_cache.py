"""annotations/checks/cache.py: what was found is found anew once files, settings or code change."""

import shutil

import pytest

from classification.annotations.checks import cache


@pytest.fixture
def find(monkeypatch, tmp_path):
    """A function: how often a check has run, after it is asked for with some settings."""
    sources = tmp_path / 'annotations'
    shutil.copytree(cache._SOURCES, sources, ignore=shutil.ignore_patterns('__pycache__'))
    monkeypatch.setattr(cache, '_SOURCES', sources)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'data').mkdir()
    runs = []

    def find(settings=None):
        cache.cached([tmp_path / 'data'], settings, lambda: runs.append(1) or [])
        return len(runs)

    return find


def test_files_and_settings_count(find, tmp_path):
    assert [find(), find(), find('other'), find()] == [1, 1, 2, 2]
    (tmp_path / 'data/new.png').touch()
    assert [find(), find()] == [3, 3]


@pytest.mark.parametrize('name', ['records.py', 'layouts/coco.py', 'checks/dataset.py'])
def test_the_code_counts(find, tmp_path, name):
    assert [find(), find()] == [1, 1]
    with (tmp_path / 'annotations' / name).open('a') as file:
        file.write('# changed')
    assert [find(), find()] == [2, 2]
