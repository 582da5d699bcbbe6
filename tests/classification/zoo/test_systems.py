"""The tables of all systems: each once, with its own figures, their sources and its config."""

import json
from pathlib import Path

import pytest

from classification import zoo
from classification.zoo import systems, tables

ROOT = Path(__file__).parents[3]
MODELS = zoo.models()
ROWS = {
    row[0]: row
    for name in systems.SCALES
    for line in tables.TABLES[name](MODELS, ROOT).splitlines()[2:]
    for row in [[cell.strip() for cell in line.strip('|').split('|')]]
}
CLASSIFIERS = [
    model for model in MODELS if model.timm and model.size and model.collection.name != 'Study'
]


def test_every_classifier_has_one_row():
    lines = [
        line
        for name in systems.SCALES
        for line in tables.TABLES[name](MODELS, ROOT).splitlines()[2:]
    ]
    labels = [line.strip('| ').split(' |')[0] for line in lines]
    assert sorted(labels) == sorted(model.label for model in CLASSIFIERS)


@pytest.mark.parametrize('model', CLASSIFIERS, ids=lambda model: model.label)
def test_a_row_has_the_figures_of_its_entries(model):
    row = ROWS[model.label]
    note = model.published_counts and model.published_counts.note
    assert row[1] == f'{model.parameters / 1e6:.1f} M{" *" if note else ""}'
    assert row[2] == f'{model.flops / 1e9:.1f} G'
    assert row[3] == str(model.published('Top 1 Accuracy'))
    dense = [other for other in MODELS if other.config and other.label == model.label]
    for cell, start, end, metrics in [
        (row[4], 'mask-rcnn', '_1x_coco', ('box AP', 'mask AP')),
        (row[5], 'mask-rcnn', '-3x_coco', ('box AP', 'mask AP')),
        (row[6], 'upernet', 'ade20k-512x512', ('mIoU', 'mIoU (ms+flip)')),
    ]:
        found = [m for m in dense if m.name.startswith(start) and m.name.endswith(end)]
        values = [m.published(metric) for m in found for metric in metrics]
        text = ' / '.join(str(value) for value in values if value is not None) or 'config'
        assert cell == (f'[{text}]({found[0].config})' if found else '')


def test_the_best_comes_first():
    for name in systems.SCALES:
        lines = tables.TABLES[name](MODELS, ROOT).splitlines()[2:]
        figures = [float(line.split('|')[4]) for line in lines]
        assert figures == sorted(figures, reverse=True) and len(figures) > 5


def test_figures_from_another_paper_say_so():
    assert ROWS['CSWin-T'][7] == "its own paper; 1x: MambaOut's"
    assert ROWS['PVTv2-B3'][7] == "its own paper; 3x: MILA's"
    assert ROWS['MILA-T'][7] == 'its own paper'


def test_systems_that_are_not_here():
    text = tables.TABLES['systems that are not here'](MODELS, ROOT)
    labels = [line.strip('| ').split(' |')[0] for line in text.splitlines()[2:]]
    assert sorted(labels) == sorted({listed.label for listed in zoo.listed()})
    spatial = next(line for line in text.splitlines() if line.startswith('| Spatial-Mamba-T'))
    assert '| 83.5 | 47.6 / 42.9 | 49.3 / 43.6 | 48.6 / 49.4 | its own paper |' in spatial
    remark = 'positions for one image size'
    assert remark in next(line for line in text.splitlines() if line.startswith('| MViTv2-T'))


def test_families_and_differences():
    needs = tables.TABLES['needs of systems'](MODELS, ROOT)
    recipes = tables.TABLES['recipes of systems'](MODELS, ROOT)
    for family in {model.collection for model in CLASSIFIERS}:
        assert family.license and family.needs and family.license in needs
        assert f'| {family.name} |' in recipes or family.name == 'MILA'
    differing = tables.TABLES['counts that differ'](MODELS, ROOT).splitlines()[2:]
    noted = [m for m in MODELS if m.published_counts and m.published_counts.note]
    assert len(differing) == len(noted)
    (row,) = [line for line in differing if 'mask-rcnn_ravlt-t_' in line]
    assert '| 33.5 M (33 M) | 271.5 G (219 G) |' in row


def test_names_of_all_classifiers():
    assert sorted(systems.classifiers(MODELS)) == sorted(model.timm for model in CLASSIFIERS)


def test_measured_costs_are_those_of_the_file_the_fastest_first(tmp_path, monkeypatch):
    sizes = ((4, 4), (8, 8), (16, 16))
    cases = [
        dict(model=model, size=size, error=error, median=speed * size[0] * 1e-3, memory=5e6)
        for model, speed, error in [('mila_small', 2, None), ('mila_tiny', 1, None)]
        for size in sizes
    ]
    cases[1] |= dict(error='no memory', median=None, memory=None)
    (tmp_path / 'a.json').write_text(json.dumps(dict(cases=cases)))
    monkeypatch.setattr(systems, 'MEASURED', tmp_path / 'a.json')
    lines = systems.measured(MODELS, ROOT).splitlines()
    assert lines[0] == (
        '| system | top-1 | parameters | 4x4: ms (MB) | 8x8: ms (MB) | 16x16: ms (MB) |'
    )
    assert lines[2:] == [
        '| MILA-T | 83.5 | 24.4 M | 4 (5) | 8 (5) | 16 (5) |',
        '| MILA-S | 84.4 | 43.0 M | 8 (5) | refused | 32 (5) |',
    ]
