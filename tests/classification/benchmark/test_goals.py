"""The cases of docs/performance.md."""

from classification.benchmark.goals import goal_cases
from classification.benchmark.measure import DTYPES, MODES
from classification.benchmark.subjects import OFFICIAL


def test_every_setting_has_the_official_order_to_compare_with():
    cases = goal_cases()
    assert len({str(case) for case in cases}) == len(cases)
    official = {(c.size, c.batch, c.run) for c in cases if c.model.endswith(OFFICIAL)}
    assert official == {(c.size, c.batch, c.run) for c in cases}
    assert {c.mode for c in cases} <= {*MODES} and {c.precision for c in cases} <= DTYPES.keys()
