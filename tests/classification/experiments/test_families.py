"""The small models of the families: their sizes are matched, and as the table says."""

from pathlib import Path

import pytest

from classification.benchmark.complexity import complexity
from classification.engine.errors import UsageError
from classification.experiments.comparison import Comparison
from classification.experiments.families import FAMILIES, families


@pytest.mark.parametrize('name', FAMILIES)
def test_sizes_are_matched_and_as_counted(name):
    cfg = Comparison(FAMILIES, 1, Path('w'), Path('data/digits'), (1, 1, 1)).cfg(
        name, 'classification'
    )
    counted = complexity(cfg, (64, 64))
    assert counted['params'] == FAMILIES[name].params == pytest.approx(2e6, rel=0.05)
    assert counted['flops'] == FAMILIES[name].flops


def test_families_by_name():
    assert list(families(['swin', 'mila', 'swin'])) == ['swin', 'mila']
    with pytest.raises(UsageError, match='resnet is no family: give some of mila, vmamba'):
        families(['resnet'])
