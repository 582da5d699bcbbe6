"""serving/limits.py: what bounds a server."""

import pytest

from classification.engine.errors import UsageError
from classification.serving.limits import Limits


@pytest.mark.parametrize('name', ['max_bytes', 'max_pixels', 'queue', 'batch'])
def test_each_is_at_least_one(name):
    assert getattr(Limits(**{name: 1}), name) == 1
    with pytest.raises(UsageError, match=f'{name} is at least 1, not 0'):
        Limits(**{name: 0})


@pytest.mark.parametrize('seconds', [0, -1, float('nan'), float('inf')])
def test_time_is_above_zero(seconds):
    with pytest.raises(UsageError, match='timeout is a number of seconds above 0'):
        Limits(timeout=seconds)
