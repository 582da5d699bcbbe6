"""The benchmark's report: growth with the pixels, figures beside published accuracies."""

import numpy as np
import pytest

from classification import zoo
from classification.benchmark import report
from classification.benchmark.measure import Case, summary
from classification.zoo.metafiles import TOP1

POWERS = {'mila_tiny': 1.0, 'mila_small': 2.0}
SIDES = (448, 224, 896)


@pytest.fixture
def result():
    """Of models whose costs grow by known powers of the pixels."""
    cases = []
    for model, power in POWERS.items():
        for side in SIDES:
            case = Case(model, (side, side), 1, 'fp32', 'eager', 'inference')
            case.seconds, case.memory = [1e-6 * side ** (2 * power)], side
            cases.append(summary(case, dict(fp32=1.0)))
    return dict(machine=dict(device='x', date='y', torch='z'), dense=False, cases=cases)


@pytest.fixture
def figures(monkeypatch):
    """The figures that would be saved: {path: figure}."""
    saved = {}
    monkeypatch.setattr(report, 'save', lambda figure, path, dpi: saved.__setitem__(path, figure))
    return saved


def lines(axes):
    """{label: [(x, y)]} of a plot."""
    return {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines}


def test_growth(result):
    """Known powers are found, each model's and setting's apart."""
    rows = report.growth(result['cases'])
    assert [row['model'] for row in rows] == ['mila_tiny', 'mila_small']
    np.testing.assert_allclose([row['time'] for row in rows], [1, 2])
    np.testing.assert_allclose([row['memory'] for row in rows], [0.5, 0.5])


def test_costs_by_size_stand_beside_their_growth(result):
    result['growth'] = report.growth(result['cases'])
    lines = report.markdown({**result, 'peak': {}}).splitlines()
    start = lines.index(
        '| model | 224x224 | 448x448 | 896x896 | growth of time | growth of memory |'
    )
    assert lines[start + 2] == '| mila_tiny | 50 (0) | 201 (0) | 803 (0) | 1.00 | 0.50 |'


def test_scaling_figure(result, figures):
    report.scaling_figure('scaling.png', result)
    seconds, memory = figures['scaling.png'].axes
    for model, power in POWERS.items():
        expected = [(side**2, 1e-6 * side ** (2 * power)) for side in sorted(SIDES)]
        np.testing.assert_allclose(lines(seconds)[model], expected)
        expected = [(side**2, 1e-6 * side) for side in sorted(SIDES)]
        np.testing.assert_allclose(lines(memory)[model], expected)


def test_accuracy_figure_has_the_metafiles_figures(result, figures):
    report.accuracy_figure('accuracy.png', result)
    (axes,) = figures['accuracy.png'].axes
    published = {model.timm: model.published(TOP1) for model in zoo.models() if model.timm}
    expected = [(1e-3 * 224 ** (2 * power), published[model]) for model, power in POWERS.items()]
    np.testing.assert_allclose(lines(axes)['MILA'], expected)
    assert published['mila_tiny'] == 83.5


def test_no_figure_where_nothing_can_be_shown(result, figures):
    report.accuracy_figure('accuracy.png', {**result, 'dense': True})
    one_size = [case for case in result['cases'] if case['size'] == (448, 448)]
    report.accuracy_figure('accuracy.png', {**result, 'cases': one_size})
    report.scaling_figure('scaling.png', {**result, 'cases': one_size})
    assert not figures


def test_figures_are_written(result, tmp_path):
    report.scaling_figure(tmp_path / 'scaling.png', result)
    assert (tmp_path / 'scaling.png').read_bytes().startswith(b'\x89PNG')


def test_ratios_to_the_official_order():
    cases = []
    for model, precision, seconds in (
        ('mila_tiny@official', 'fp32', 3.0),
        ('mila_tiny', 'fp32', 2.0),
        ('mila_tiny', 'bf16', 1.0),
    ):
        case = Case(model, (64, 64), 1, precision, 'eager', 'inference')
        case.seconds, case.memory = [seconds], 1
        cases.append(summary(case, dict(fp32=1.0, bf16=1.0)))
    other = Case('mila_tiny', (32, 32), 1, 'fp32', 'eager', 'inference')
    other.seconds, other.memory = [1.0], 1
    cases.append(summary(other, dict(fp32=1.0)))
    result = dict(
        machine=dict(device='x', date='y', torch='z'), peak={}, growth=[], cases=cases, dense=False
    )
    lines = [line.split('|') for line in report.markdown(result).splitlines() if '|' in line]
    column = [cell.strip() for cell in lines[0]].index('x official')
    assert [line[column].strip() for line in lines[2:]] == ['1.00', '1.50', '3.00', '']
