"""tools/model_zoo.py: checks the pages, writes those that are out of date, and counts are true."""

from pathlib import Path

import pytest

from classification import zoo
from classification.zoo import pages

ROOT = Path(__file__).parents[2]
MODELS = {model.name: model for model in zoo.models()}


@pytest.fixture
def tool(script):
    return script('model_zoo')


@pytest.mark.parametrize('name', ['mila-t_8xb128_in1k', 'upernet_mila-digits_digits'])
def test_counts_are_those_of_the_complexity_tool(name, run):
    model = MODELS[name]
    counted = run('complexity', ROOT / model.config, '--shape', *model.shape)
    assert model.parameters == counted['params'] and model.flops == counted['flops']


def test_the_pages_are_up_to_date(tool, monkeypatch, tmp_path):
    tool.main(['--check'])
    monkeypatch.setattr(pages, 'ZOO_PAGE', tmp_path / 'page.md')
    with pytest.raises(SystemExit, match='page.md is out of date'):
        tool.main(['--check'])
    tool.main([])
    tool.main(['--check'])
