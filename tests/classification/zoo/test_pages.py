"""The pages that hold figures of the zoo: up to date, and filled from the zoo alone."""

import re
from pathlib import Path

import pytest

from classification import zoo
from classification.zoo import pages, systems

ROOT = Path(__file__).parents[3]
MODELS = zoo.models()
DATA = ('ImageNet', 'COCO', 'ADE20K')
MARKER = re.compile('<!-- table: (.*) -->')
STUDY = """Text.

<!-- table: published columns -->
| row | top-1 | parameters (published) | FLOPs (published) | speed (published) | top-1 (published) |
|---|---|---|---|---|---|
| baseline | 51.6 | ? | ? | ? | ? |
| block all | 87.0 | ? | 1 |  | 2 |
| mamba | 93.5 | ? | 1 |  | 2 |
| MILA-T | 1.5 |  |  | ? |  |
<!-- end of table -->

| top-1 (published) |
|---|
| 1 |
"""


def test_all_pages_are_up_to_date():
    stale = pages.write_pages(MODELS, check=True)
    assert not stale, f'run python tools/model_zoo.py: {stale}'


def test_no_marker_is_lost():
    found = {page.name: MARKER.findall(page.read_text()) for page in pages.PAGES}
    assert found['comparison.md'] == ['published columns', *(f'all on {data}' for data in DATA)]
    assert found['systems.md'] == [
        *systems.SCALES,
        'systems measured',
        'systems that are not here',
        'needs of systems',
        'recipes of systems',
        'counts that differ',
    ]
    assert found['heads.md'] == ['MILA in any head']
    assert found['study.md'] == ['published columns']


def test_measured_figures_are_those_of_the_demo_page():
    """The demo's table has a cell with each measured value."""
    text = (ROOT / 'docs/demo.md').read_text()
    for model in MODELS:
        for result in model.results:
            if not result.published:
                for value in result.metrics.values():
                    assert f'| {value} |' in text, f'{model.name}: {value}'


def test_published_columns_are_filled_by_row():
    lines = pages.fill(STUDY, MODELS, ROOT).splitlines()
    assert lines[5] == '| baseline | 51.6 | 28 M | 4.5 G | 1.00 | 77.6 |'
    assert lines[6] == '| block all | 87.0 | 28 M | 4.7 G | 0.79 | 79.4 |'
    assert lines[7] == '| mamba | 93.5 |  |  |  |  |'
    assert lines[8] == '| MILA-T | 1.5 | 24.4 M | 4.2 G |  | 83.5 |'
    assert lines[:3] == STUDY.splitlines()[:3] and lines[9:] == STUDY.splitlines()[9:]


def test_a_marked_table_is_replaced_and_nothing_else():
    text = 'a\n<!-- table: MILA on COCO -->\nold\n<!-- end of table -->\nb | 1 |\n'
    filled = pages.fill(text, MODELS, ROOT)
    assert filled.startswith('a\n<!-- table: MILA on COCO -->\n| COCO, Mask R-CNN | parameters |')
    assert filled.endswith('|\n<!-- end of table -->\nb | 1 |\n') and 'old' not in filled
    assert pages.fill(filled, MODELS, ROOT) == filled


@pytest.mark.parametrize(
    'old, new', [('published columns', 'no such table'), ('| baseline', '| basline')]
)
def test_an_unknown_table_or_row_is_an_error(old, new):
    with pytest.raises(KeyError, match=new.strip('| ')):
        pages.fill(STUDY.replace(old, new), MODELS, ROOT)


def test_stale_pages_are_found_and_written(monkeypatch, tmp_path):
    page, other = tmp_path / 'zoo.md', tmp_path / 'other.md'
    other.write_text(STUDY)
    monkeypatch.setattr(pages, 'ZOO_PAGE', page)
    monkeypatch.setattr(pages, 'PAGES', (other,))
    assert pages.write_pages(MODELS, check=True) == [page, other]
    assert not page.exists() and other.read_text() == STUDY
    assert pages.write_pages(MODELS) == [page, other]
    assert pages.write_pages(MODELS, check=True) == pages.write_pages(MODELS) == []
