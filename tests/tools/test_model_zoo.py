"""The model zoo: complete, in OpenMMLab's form, honest, and its page up to date."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())
METAFILES = {file: yaml.safe_load((ROOT / file).read_text()) for file in INDEX['Import']}
MODELS = [model for metafile in METAFILES.values() for model in metafile['Models']]
COLLECTIONS = [c['Name'] for m in METAFILES.values() for c in m.get('Collections', [])]
TASKS = {
    'Image Classification',
    'Object Detection',
    'Instance Segmentation',
    'Semantic Segmentation',
}


@pytest.fixture
def tool(script):
    return script('model_zoo')


def test_every_config_has_one_entry_in_the_metafile_of_its_folder():
    for folder in sorted(path for path in (ROOT / 'configs').iterdir() if path.name != '_base_'):
        metafile = f'configs/{folder.name}/metafile.yml'
        listed = [m['Config'] for m in METAFILES[metafile]['Models'] if 'Config' in m]
        for config in sorted(folder.glob('*.py')):
            path = config.relative_to(ROOT).as_posix()
            assert listed.count(path) == 1, (
                f'{metafile} needs one entry of Models with Name: {config.stem} and Config: '
                f'{path}, its counts by tools/complexity.py, and Results as its docstring has '
                'them; then run python tools/model_zoo.py.'
            )


@pytest.mark.parametrize('model', MODELS, ids=lambda model: model['Name'])
def test_entries(model):
    assert model['In Collection'] in COLLECTIONS
    assert model.keys() <= {
        'Name',
        'In Collection',
        'Config',
        'Metadata',
        'Results',
        'Weights',
        'Checkpoint',
        'SHA256',
    }
    assert 'Config' in model or 'Weights' in model
    if 'Config' in model:
        assert (ROOT / model['Config']).is_file() and Path(model['Config']).stem == model['Name']
    assert model['Metadata'].keys() == {'Training Data', 'Parameters', 'FLOPs', 'FLOPs Shape'}
    for result in model.get('Results', []):
        assert result['Task'] in TASKS and result['Metrics']
        # Only the digits are trained on here.
        assert result['Published'] is (result['Dataset'] != 'Digits')
        assert result['Source' if result['Published'] else 'Measured']
    if 'Weights' in model:
        assert model['Weights'].startswith('https://')
        assert model['Checkpoint'].startswith('checkpoints/') and 'SHA256' in model


def test_names_are_unique(tool):
    assert len({model['Name'] for model in MODELS}) == len(MODELS)
    assert len(set(COLLECTIONS)) == len(COLLECTIONS)
    weights = [model['Checkpoint'] for model in MODELS if 'Weights' in model]
    assert len(set(weights)) == len(weights) == len(tool.released(MODELS))


def test_published_figures_are_those_of_the_docstrings():
    """The entry and the config say the same; that of the demo stands in the README."""
    for model in MODELS:
        if 'Config' not in model:
            continue
        text = ' '.join((ROOT / model['Config']).read_text().split('"""')[1].split())
        for result in model.get('Results', []):
            where = text if result['Published'] else (ROOT / 'README.md').read_text()
            for value in result['Metrics'].values():
                assert f'{value}' in where, f'{model["Name"]}: {value}'


def test_what_configs_start_from_can_be_fetched():
    """Every file that a config expects in checkpoints/ has its weights in the zoo."""
    listed = {model['Checkpoint'] for model in MODELS if 'Weights' in model}
    for path in (ROOT / 'configs').rglob('*.py'):
        for part in path.read_text().split("'"):
            assert not part.startswith('checkpoints/') or part in listed, f'{path}: {part}'


@pytest.mark.parametrize('name', ['mila-t_8xb128_in1k', 'upernet_mila-digits_digits'])
def test_counts_are_those_of_the_complexity_tool(name, run):
    model = next(model for model in MODELS if model['Name'] == name)
    metadata = model['Metadata']
    shape = metadata['FLOPs Shape'].split('x')
    counted = run('complexity', ROOT / model['Config'], '--shape', *shape)
    assert metadata['Parameters'] == counted['params'] and metadata['FLOPs'] == counted['flops']


def test_the_page_is_up_to_date(tool, monkeypatch, tmp_path):
    tool.main(['--check'])
    monkeypatch.setattr(tool, 'PAGE', tmp_path / 'page.md')
    with pytest.raises(SystemExit, match='page.md is out of date'):
        tool.main(['--check'])
    tool.main([])
    tool.main(['--check'])


def test_rows(tool):
    entry = dict(
        Name='x',
        Metadata={
            'Training Data': 'D',
            'Parameters': 1230000,
            'FLOPs': 4567000000,
            'FLOPs Shape': '64x32',
        },
        Results=[
            dict(Metrics={'a': 1.5, 'b': 2}, Published=True, Source='Someone'),
            dict(Metrics={'c': 3}, Published=False, Measured='here'),
        ],
        Weights='https://host/w',
        Checkpoint='checkpoints/x_tiny.pth',
        SHA256=None,
    )
    text = tool.page([entry])
    assert '| x | 1.23 M | 4.57 G (64x32) | a 1.5, b 2 | c 3 | [x_tiny](https://host/w) |' in text
    assert '## D\n' in text and '- Someone\n' in text and '- here\n' in text
