"""The comparison's intervals against a printed table of Student's t, its tables and its figure."""

import math
from statistics import stdev

import pytest
from PIL import Image
from scipy import stats

from classification.experiments import comparison_report as report

# Two-sided 95 %, degrees of freedom -> quantile, from printed tables.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 30: 2.042}


@pytest.mark.parametrize('freedom', STUDENT)
def test_half_width_against_the_printed_table(freedom):
    values = [float((7 * i) % 11) for i in range(freedom + 1)]
    expected = STUDENT[freedom] * stdev(values) / math.sqrt(freedom + 1)
    assert report.half_width(values) == pytest.approx(expected, rel=2e-4)


def test_half_width_against_scipy_and_of_one_value():
    values = [61.0, 64.5, 60.2]
    low, high = stats.t.interval(0.95, 2, loc=stats.tmean(values), scale=stats.sem(values))
    assert 2 * report.half_width(values) == pytest.approx(high - low)
    assert report.half_width([5.0]) == math.inf and report.half_width([5.0, 5.0]) == 0


def cost(seconds, cpu_seconds, mebibytes):
    return dict(seconds=seconds, cpu_seconds=cpu_seconds, bytes=mebibytes * 2**20)


def family(title, *scores):
    return dict(
        title=title,
        params=2_000_000,
        flops=39_400_000,
        shape=[64, 32],
        scores={'top-1': list(scores)},
        costs=dict(
            classification=[cost(60, 30, 3), cost(120, 30, 4)], detection=[cost(6, 3, 5)] * 2
        ),
    )


def test_tables_with_differences_by_seed():
    results = dict(a=family('A', 50.0, 60.0), b=family('B', 51.0, 62.0))
    lines = report.tables(results).splitlines()
    assert lines[0] == (
        '| family, 2 seeds | parameters | FLOPs at 64x32 | top-1 | minutes | CPU minutes '
        '| peak memory |'
    )
    # 12.706 * 7.0711 / 1.4142 and, of the differences 1 and 2, 12.706 * 0.7071 / 1.4142
    assert lines[2] == '| A | 2 M | 39.4 M | 55.0 ± 63.5 | 1.6 | 0.6 | 5 MiB |'
    assert lines[5] == '| minus A, by seed | top-1 |'
    assert lines[7] == '| B | +1.5 ± 6.4 |'


def test_one_seed_has_no_interval_and_one_family_no_difference():
    text = report.tables(dict(a=family('A', 50.0)))
    assert '| family, 1 seed |' in text and '| 50.0 |' in text
    assert '±' not in text and 'minus' not in text


@pytest.mark.parametrize('scores', [[50.0], [50.0, 60.0]])
def test_figure(scores, tmp_path):
    report.figure(tmp_path / 'x.png', dict(a=family('A', *scores), b=family('B', *scores)))
    picture = Image.open(tmp_path / 'x.png').convert('RGB')
    assert min(picture.size) > 100 and len(picture.getcolors(2**24)) > 50
