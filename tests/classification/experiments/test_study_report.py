"""The study's table and figure: measured beside published."""

from classification.experiments import study_report
from classification.models import ROWS


def test_table():
    results = {
        'baseline': dict(params=136458, flops=3.48e6, speed=1, top1=[50.0, 52.0]),
        'mamba': dict(params=28.3e6, flops=4.5e9, speed=0.5, top1=[90.0, 90.0]),
    }
    table = study_report.table(results, study_report.published_rows())
    header, _, baseline, mamba = table.splitlines()
    assert 'top-1, 2 seeds' in header and 'top-1 (published)' in header
    here, published = '136 k | 3.48 M | 1.00 | 51.0 ± 1.4', '28 M | 4.5 G | 1.00 | 77.6'
    assert baseline == f'| baseline | {here} | {published} |'
    assert mamba == '| mamba | 28.3 M | 4.5 G | 0.50 | 90.0 ± 0.0 |  |  |  |  |'


def test_published_rows_are_those_of_the_paper():
    published = study_report.published_rows()
    assert published.keys() == ROWS.keys()
    counts = published['single_head'].published_counts
    assert (counts.parameters, counts.flops) == ('24 M', '3.9 G')
    assert counts.throughput == '1540 images/s'
    assert published['single_head'].published('Top 1 Accuracy') == 73.5


def test_figure_shows_every_seed_and_the_published_value(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(study_report, 'save', lambda figure, *args, **kwargs: drawn.append(figure))
    results = {'baseline': dict(top1=[50.0, 52.0]), 'mamba': dict(top1=[90.0, 92.0])}
    study_report.figure(tmp_path / 'study.png', results, study_report.published_rows())
    here, paper = drawn[0].axes
    assert [label.get_text() for label in here.get_yticklabels()] == ['mamba', 'baseline']
    seeds = [list(line.get_xdata()) for line in here.lines if line.get_marker() == 'o']
    assert seeds == [[90.0, 92.0], [50.0, 52.0]]
    published = [list(line.get_xdata()) for line in paper.lines if line.get_marker() == 'o']
    assert published == [[77.6]]  # Mamba's whole block is no row of the paper
