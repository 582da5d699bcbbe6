"""The study: what is trained."""

from pathlib import Path

from classification.experiments.study import DIGITS, Study

CONFIG = Path(__file__).parents[3] / DIGITS


def test_rows_are_the_config_with_another_model():
    one = Study(['rope', 'ape'], CONFIG)
    assert list(one.variants) == ['baseline', 'rope', 'ape']
    assert one.cfg('rope').model.model.name == 'study_rope'
    assert one.cfg().model.model.name == one.cfg('baseline').model.model.name == 'study_baseline'
