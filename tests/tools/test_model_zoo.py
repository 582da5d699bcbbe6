"""tools/model_zoo.py: its page is up to date, and says what the metafiles say."""

from pathlib import Path

import pytest

from classification import zoo

ROOT = Path(__file__).parents[2]
MODELS = {model.name: model for model in zoo.models()}


@pytest.fixture
def tool(script):
    return script('model_zoo')


def test_measured_figures_are_those_of_the_readme():
    text = (ROOT / 'README.md').read_text()
    for model in MODELS.values():
        for result in model.results:
            if not result.published:
                for value in result.metrics.values():
                    assert f'| {value} |' in text, f'{model.name}: {value}'


@pytest.mark.parametrize('name', ['mila-t_8xb128_in1k', 'upernet_mila-digits_digits'])
def test_counts_are_those_of_the_complexity_tool(name, run):
    model = MODELS[name]
    counted = run('complexity', ROOT / model.config, '--shape', *model.shape)
    assert model.parameters == counted['params'] and model.flops == counted['flops']


def test_the_page_is_up_to_date(tool, monkeypatch, tmp_path):
    tool.main(['--check'])
    monkeypatch.setattr(tool, 'PAGE', tmp_path / 'page.md')
    with pytest.raises(SystemExit, match='page.md is out of date'):
        tool.main(['--check'])
    tool.main([])
    tool.main(['--check'])


def test_rows(tool):
    family = zoo.Collection('X', 'A Title', None, 'Someone', 'CVPR 2021')
    model = zoo.Model(
        name='x',
        collection=family,
        size=None,
        config=None,
        timm=None,
        training_data='D',
        training_resources=None,
        parameters=1230000,
        flops=4567000000,
        shape=(64, 32),
        published_counts=None,
        results=(
            zoo.Result('T', 'D', {'a': 1.5, 'b': 2}, source=family, measured=None),
            zoo.Result('T', 'D', {'c': 3}, source=None, measured='here'),
        ),
        release=zoo.Release('https://host/w', Path('checkpoints/x_tiny.pth'), None),
    )
    text = tool.page([model])
    assert '| x | 1.23 M | 4.57 G (64x32) | a 1.5, b 2 | c 3 | [x_tiny](https://host/w) |' in text
    assert '## D\n' in text
    assert '- Someone, "A Title", CVPR 2021\n' in text and '- here\n' in text
