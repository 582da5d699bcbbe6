"""webpage/sessions.py: users' results, bounded, and never mixed."""

import numpy as np
import pytest

from classification.results import Scores
from classification.webpage.sessions import Session, Sessions, Shown
from tests.results import class_map, instances, scores


def test_a_key_has_one_session():
    sessions = Sessions()
    assert sessions['a'] is sessions['a'] is not sessions['b']
    sessions['a'].content = b'x'
    sessions.forget('a')
    sessions.forget('never')
    assert len(sessions) == 1 and not sessions['a'].content


def test_the_one_used_least_lately_is_forgotten():
    sessions = Sessions(most_bytes=10)
    for key in 'abc':
        sessions[key].content = b'xxx'
    assert sessions['a'].content  # used again
    sessions['d'].content = b'xxxxxxx'
    assert len(sessions) == 4
    assert sessions['d'].content and len(sessions) == 2  # 16 bytes were too many, 10 are not
    assert sessions['a'].content and not sessions['b'].content


def test_one_too_large_for_all_is_kept_while_it_is_used():
    sessions = Sessions(most_bytes=10)
    sessions['a'].content = b'x' * 100
    assert sessions['a'].content
    assert not sessions['b'].content and len(sessions) == 1


def test_the_number_is_bounded():
    sessions = Sessions(most=3)
    for number in range(10):
        sessions[str(number)]
    assert len(sessions) == 3


@pytest.mark.parametrize('make', [scores, instances, class_map])
def test_size(make):
    result = make()
    session = Session(b'1234', [Shown('one', result=result), Shown('two', message='No.')])
    size = session.size
    arrays = [result.image, getattr(result, 'map', np.empty(0))]
    arrays += [mask.part for mask in getattr(result, 'cut_masks', ())]
    assert size == 4 + sum(array.nbytes for array in arrays)


def test_several_results_count():
    one = scores()
    both = Session(b'', [Shown('a', result=one), Shown('b', result=Scores(**vars(one)))])
    assert both.size == 2 * one.image.nbytes
