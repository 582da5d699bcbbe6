"""The guard names each thing that can happen to a case."""

import os
import signal
import time
from pathlib import Path

import pytest

from classification.engine.errors import DataError
from tests.robustness.guard import run_cases

TITLE = 'the guard itself'
TIME_LIMIT = 2
MEMORY_LIMIT = 1 << 30


def _refuse(folder):
    raise DataError('a.png is damaged: remove it.')


def _fill_memory(folder):
    return str(len(b'x' * (2 << 30)))


def _write(folder):
    (folder / 'a').write_text('a')
    return 'right' if [*Path().iterdir()] == [Path('a')] else 'silent'


_CASES = {
    'right': _write,
    'silent': lambda folder: 'silent',
    'refused': _refuse,
    'traceback': lambda folder: 1 / 0,
    'traceback: unknown outcome': lambda folder: 'fine',
    'traceback: exit': lambda folder: exit(0),
    'crash': lambda folder: os.kill(os.getpid(), signal.SIGSEGV),
    'crash: no answer': lambda folder: os._exit(0),
    'hang': lambda folder: time.sleep(60),
    'memory': _fill_memory,
}


def cases(count, seed):
    return list(_CASES)


def run(name, seed, folder):
    return _CASES[name](folder)


@pytest.fixture(scope='module')
def outcomes():
    names = cases(99, 0)
    return {outcome.name: outcome for outcome in run_cases('tests.robustness.test_guard', names, 0)}


@pytest.mark.parametrize('name', _CASES)
def test_each_outcome_is_named(outcomes, name):
    assert outcomes[name].outcome == name.split(':')[0]
