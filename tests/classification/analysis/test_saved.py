"""A classifier's results from a file. Those of tools/predict.py: tests/tools/test_analyze.py."""

import json

import pytest

from classification.analysis.saved import match_files, name_of_results, read_class_results
from classification.engine.errors import DataError
from tests.helpers import picture

BEST = {
    'data/val/cat/a.png': [('cat', 0.7), ('dog', 0.2)],
    'data/val/cat/b.png': [('dog', 0.6), ('cow', 0.3)],
    'data/val/dog/a.png': [('dog', 0.9), ('cat', 0.1)],
    'data/val/cow/a.png': [('cow', 0.8)],
}


@pytest.fixture
def truth(tmp_path):
    for name in BEST:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(path)
    return tmp_path / 'data' / 'val'


def saved(tmp_path, best=BEST):
    content = [
        dict(file_name=name, best=[{'class': c, 'score': s} for c, s in scores])
        for name, scores in best.items()
    ]
    path = tmp_path / 'mine' / 'results.json'
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


def test_images_are_told_by_the_end_of_their_paths(truth, tmp_path):
    run = read_class_results(saved(tmp_path), truth)
    assert run.name == 'mine' and run.metrics == {'accuracy/top1': 75}
    assert run.analysis.classes == ['cat', 'cow', 'dog']
    assert run.analysis.quality().tolist() == [0.7, 0, 0.8, 0.9]
    assert run.analysis.caption(1) == 'dog 0.60, truly cat'
    assert run.picture(0).shape == (36, 40, 3)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'data/val/cat/b.png': None}, r'lacks 1 of the 4 images of the truth \(cat/b.png\)'),
        ({'data/val/cat/b.png': [('horse', 1)]}, 'has the class horse'),
        ({'data/val/cat/b.png': []}, 'without file_name or best'),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message, truth, tmp_path):
    best = {name: one for name, one in {**BEST, **change}.items() if one is not None}
    with pytest.raises(DataError, match=message):
        read_class_results(saved(tmp_path, best), truth)


@pytest.mark.parametrize('content', ['{}', '[1]', '['])
def test_other_files_are_refused(content, truth, tmp_path):
    path = tmp_path / 'x.json'
    path.write_text(content)
    with pytest.raises(DataError, match='x.json'):
        read_class_results(path, truth)


def test_the_truth_must_hold_images(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='lacks 0 of the 0 images'):
        match_files(tmp_path, {}, [])


def test_a_usual_name_says_nothing(tmp_path):
    assert name_of_results(tmp_path / 'b' / 'results.json') == 'b'
    assert name_of_results(tmp_path / 'b' / 'mine.json') == 'mine'
