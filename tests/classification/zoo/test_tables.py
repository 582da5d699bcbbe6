"""The zoo's tables: what an entry says, exactly, and in which order."""

from pathlib import Path

import pytest

from classification import zoo
from classification.zoo import pages, tables

ROOT = Path(__file__).parents[3]
MODELS = zoo.models()


def cells(table):
    """The rows of a Markdown table as lists of cells."""
    return [line.strip('| ').split(' | ') for line in table.splitlines()]


@pytest.fixture
def entry():
    family = zoo.Collection('X', 'A Title', None, 'Someone', 'CVPR 2021')
    return zoo.Model(
        name='x',
        collection=family,
        size=None,
        config=None,
        timm=None,
        training_data='D',
        training_resources='2 CPU cores',
        parameters=1230000,
        flops=4567000000,
        shape=(64, 32),
        published_counts=None,
        results=(
            zoo.Result('T', 'D', {'a': 1.5, 'b': 2}, source=family, measured=None),
            zoo.Result('T', 'D', {'c': 3}, source=None, measured='here'),
        ),
        release=zoo.Release('https://host/w', Path('checkpoints/x_tiny.pth'), None),
    )


def test_the_page_of_all_models(entry):
    text = pages.zoo_page([entry], ROOT)
    row = (
        '| x | 2 CPU cores | 1.23 M | 4.57 G (64x32) | a 1.5, b 2 | c 3 '
        '| [x_tiny](https://host/w) |\n'
    )
    assert row in text
    assert '## D\n' in text
    assert '- Someone, "A Title", CVPR 2021\n' in text and '- here\n' in text


@pytest.mark.parametrize('data', sorted({model.training_data for model in MODELS}))
def test_published_figures_are_those_of_the_metafiles(data):
    """Each row of the page has its model's values, in its cell and no others."""
    models = [model for model in MODELS if model.training_data == data]
    rows = cells(tables.of_data(MODELS, data, ROOT))[2:]
    for model, row in zip(models, rows, strict=True):
        said = [] if row[4] == 'none' else [pair.rsplit(' ', 1) for pair in split(row[4])]
        results = [result for result in model.results if result.published]
        values = {name: value for r in results for name, value in r.metrics.items()}
        assert {name: float(value) for name, value in said} == values


def split(cell):
    return cell.replace('; ', ', ').split(', ')


@pytest.mark.parametrize(
    'name, metrics',
    [
        ('all on ImageNet', ['Top 1 Accuracy']),
        ('all on COCO', ['box AP', 'mask AP']),
        ('all on ADE20K', ['mIoU', 'mIoU (ms+flip)']),
    ],
)
def test_families_side_by_side(name, metrics):
    rows = cells(tables.TABLES[name](MODELS, ROOT))[2:]
    labels = [row[0].strip('[').split(']')[0] for row in rows]
    sizes = [label.rpartition('-')[2] for label in labels]
    assert sizes == sorted(sizes, key=['Femto', 'Kobe', 'T', 'S', 'B'].index)
    assert len(set(labels)) == len(labels) and sizes.count('T') == sizes.count('B') == 5
    for label, row in zip(labels, rows, strict=True):
        data = name.removeprefix('all on ').replace('ImageNet', 'ImageNet-1k')
        model = next(
            m
            for m in MODELS
            if (m.label, m.training_data) == (label, data) and 'crop-3x' not in m.name
        )
        values = [model.published(metric) for metric in metrics]
        assert row[4] == ('none' if None in values else ' / '.join(map(str, values)))
        assert row[3].endswith(' G')
        assert float(row[3].split()[0]) == pytest.approx(model.flops / 1e9, abs=0.051)


def test_mila_on_its_page():
    rows = cells(tables.TABLES['MILA on COCO'](MODELS, ROOT))
    assert rows[2] == [
        'MILA-T [1x](configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py) '
        '[3x](configs/detection/mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py)',
        '44 M',
        '255 G',
        '46.8 / 42.1',
        '48.8 / 43.8',
    ]
    assert [row[-1] for row in rows[3:]] == ['50.5 / 44.9', 'none']
    rows = cells(tables.TABLES['MILA on ImageNet'](MODELS, ROOT))
    assert rows[2][1:] == ['24.4 M', '4.2 G', '83.5'] and len(rows) == 5
    rows = cells(tables.TABLES['MILA on ADE20K'](MODELS, ROOT))
    assert rows[2][1:] == ['none'] * 3 and rows[4][1:] == ['128 M', '1183 G', '51.9 / 52.5']
