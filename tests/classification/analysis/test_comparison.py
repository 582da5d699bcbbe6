"""The page of several runs, from scores made by hand. Of trainings: tests/tools/test_analyze.py."""

import re

import numpy as np
import pytest

from classification.analysis import comparison
from classification.analysis.bootstrap import Difference
from classification.analysis.classes import ClassAnalyst
from classification.analysis.comparison import verdict, write_comparison
from classification.analysis.runs import NO_LOG, Run
from classification.analysis.training import Log
from classification.engine.errors import UsageError

IMAGE = np.zeros((20, 20, 3), np.uint8)


def run(share, name='a', seed=0, classes=('cat', '<i>dog', 'cow'), prefix='', log=NO_LOG):
    """A classifier that gets about this share of 90 images right."""
    rng = np.random.default_rng(seed)
    analyst = ClassAnalyst(classes, lambda i: f'/x/{prefix}{i}.png')
    for i in range(90):
        truth = i % 2  # no image of a cow
        score = float(rng.uniform(0.4, 1))
        right = rng.random() < share
        analyst.add_image(truth, truth if right else 2, score, score if right else 1 - score)
    top1 = 100 * np.equal(analyst.truth, analyst.best).mean()
    return Run(name, analyst, lambda i: IMAGE, {'accuracy/top1': top1}, log)


def text_of(runs, path):
    return write_comparison(runs, path).read_text()


def test_a_better_run_is_told_with_its_classes_and_images(tmp_path):
    text = text_of([run(0.3), run(0.9, 'b', 1)], tmp_path / 'sub' / 'c.html')
    assert 'is distinguishable from zero: b is better' in text
    titles = re.findall('<h2>([^<]+)</h2>', text)
    expected = ['Side by side', 'Training', 'Calibration', 'b against a', 'b against a: images']
    assert titles == expected
    assert text.count('>better</td>') == 2  # of the classes that have images
    assert '<i>dog' not in text and not re.search(r'>[^<]*\bnan\b', text)
    assert text.index('Gained most with b') < text.index('Lost most with b')
    assert text.count('data:image/jpeg') == 12  # one of both runs: the picture is the same


def test_identical_runs_are_not_told_apart(tmp_path):
    text = text_of([run(0.7), run(0.7)], tmp_path / 'c.html')
    assert 'a (2) has top-1' in text and 'a (1) has' in text
    assert '+0.0 points, interval [+0.0, +0.0], is not distinguishable from zero' in text
    assert 'and the same in 90' in text and 'Gained most' not in text


def test_each_of_several_is_compared_with_the_first(tmp_path):
    entries = [dict(step=i, loss=1 / i, lr=0.1) for i in (1, 2, 3)]
    log = Log(entries, [{'step': 1, 'accuracy/top1': 50.0}], 'epoch')
    runs = [run(0.3, log=log), run(0.5, 'b', 1), run(0.9, 'c', 2, log=log)]
    text = text_of(runs, tmp_path / 'c.html')
    titles = re.findall('<h2>([^<]+)</h2>', text)
    assert [title for title in titles if 'images' in title] == [
        'b against a: images',
        'c against a: images',
    ]
    assert 'Training loss' in text and 'accuracy/top1' in text


def test_without_pictures(tmp_path):
    runs = [run(0.3), run(0.9, 'b', 1)]
    for one in runs:
        one.picture = None
    assert 'data:image' not in text_of(runs, tmp_path / 'c.html')


@pytest.mark.parametrize(
    'other, message',
    [
        (dict(classes=('cat', 'dog', 'cow')), 'b and a know other classes'),
        (dict(prefix='other'), 'b and a were tested on other images'),
    ],
)
def test_runs_of_other_tests_are_refused(other, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        write_comparison([run(0.5), run(0.5, 'b', **other)], tmp_path / 'c.html')
    assert not (tmp_path / 'c.html').exists()


@pytest.mark.parametrize('number', [1, 6])
def test_as_many_runs_as_have_colours(number):
    with pytest.raises(UsageError, match=f'2 to 5 runs, not of {number}'):
        comparison.compare_work_dirs(['w'] * number, 'c.html')


@pytest.mark.parametrize(
    'change, text',
    [
        (Difference(0.02, 0.01, 0.03), '+2.0 points, interval [+1.0, +3.0], is disting'),
        (Difference(-0.02, -0.03, -0.01), 'a is better'),
        (Difference(0.02, -0.01, 0.05), 'is not distinguishable from zero'),
        (Difference(np.nan, np.nan, np.nan), 'cannot be compared'),
    ],
)
def test_in_words(change, text):
    assert text in verdict('box AP', ('a', 'b'), (0.4, 0.42), change)
