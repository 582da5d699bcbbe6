"""The small models of the families: their sizes are matched, and as the table says."""

from pathlib import Path

import pytest

from classification.benchmark.complexity import complexity
from classification.engine.errors import UsageError
from classification.experiments.comparison import Comparison
from classification.experiments.families import FAMILIES, families
from classification.experiments.study_report import si
from classification.visualization.tables import row
from tests.helpers import ROOT


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


@pytest.mark.parametrize('family', FAMILIES.values(), ids=FAMILIES)
def test_the_page_has_the_table(family):
    sizes = [', '.join(map(str, numbers)) for numbers in (family.sizes['depths'], family.widths)]
    line = row([family.title, *sizes, si(family.params), si(family.flops)])
    assert line in (ROOT / 'docs/backbones-on-digits.md').read_text()
