"""The headline, and what a report refuses. Whole reports: tests/tools/test_analyze.py."""

import pytest

from classification.analysis import report, runs
from classification.engine.errors import UsageError


@pytest.mark.parametrize(
    'key, value, tile',
    [
        ('coco/bbox_mAP', 0.4567, ('box AP', '45.7')),
        ('coco/segm_mAP_50', 1.0, ('mask AP at IoU 0.50', '100.0')),
        ('coco/bbox_mAP', -1.0, ('box AP', '–')),
        ('mIoU', 64.83, ('mIoU', '64.8')),
        ('mIoU', float('nan'), ('mIoU', '–')),
        ('accuracy/top1', 95.83, ('top-1', '95.8')),
        ('accuracy/ema_top5', 99.0, ('EMA weights, top-5', '99.0')),
    ],
)
def test_metrics_have_the_names_that_people_use(key, value, tile):
    assert report.tile(key, value) == tile


def test_without_metrics_the_page_says_so():
    assert 'no metric' in report._headline({}).content[0]


def test_other_metrics_are_shown_where_there_is_no_usual_one():
    content = ''.join(report._headline({'pascal/score': 0.5}).content)
    assert 'pascal/score' in content and '0.5' in content and 'tile' not in content


def test_one_process_writes_a_report(monkeypatch):
    monkeypatch.setattr(runs, 'get_world_size', lambda: 2)
    with pytest.raises(UsageError, match='written by one process'):
        report.write_report('w')
