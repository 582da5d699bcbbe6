"""A few of the generated cases of each kind; `make torture` tries thousands."""

import pytest

from tests.robustness.guard import BAD
from tests.robustness.torture import MODULES, as_table, try_module

# A kind of which all cases are few and slow has its own number of them.
_COUNTS = {'kills': 2, 'faults': 4}


@pytest.mark.parametrize('name', MODULES)
def test_nothing_is_silent_crashes_or_hangs(name):
    title, outcomes = try_module(name, _COUNTS.get(name, 50), seed=1)
    assert outcomes
    bad = [outcome for outcome in outcomes if outcome.outcome in BAD]
    assert not bad, as_table({title: outcomes}) + '\n' + '\n'.join(map(str, bad))
