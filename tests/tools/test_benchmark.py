"""tools/benchmark.py on tiny models: what is measured, what is written, what is refused."""

import json

import pytest
import torch

from classification.benchmark import measure, subjects
from classification.benchmark.complexity import complexity
from classification.engine.configs.loading import load_config

CONFIGS = {
    'ImageClassifier': 'mila-digits_1xb64_digits',
    'MaskRCNN': 'mask-rcnn_mila-digits_fpn_digits',
    'UperNet': 'upernet_mila-digits_digits',
}


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    """Where the configs are."""
    monkeypatch.chdir(pytestconfig.rootpath)


@pytest.fixture
def benchmark(monkeypatch, tmp_path, script):
    """The tool's main with a small peak and its own folder: arguments -> result."""
    tool = script('benchmark')
    monkeypatch.setitem(measure.PEAK_SIDE, 'cpu', 64)

    def call(*args):
        return tool.main([*map(str, args), '--device', 'cpu', '--out', str(tmp_path / 'out')])

    call.out = tmp_path / 'out'
    return call


@pytest.mark.parametrize('kind', CONFIGS)
def test_whole_models(benchmark, kind):
    """Inference and training of every task, with the counts of tools/complexity.py."""
    config = f'configs/quickstart/{CONFIGS[kind]}.py'
    result = benchmark(
        config, '--sizes', 64, '--batch', 2, '--run', 'inference', 'training', '--rounds', 2
    )
    counts = complexity(load_config(config), (64, 64))
    for case, forwards in zip(result['cases'], (1, None if kind == 'MaskRCNN' else 3), strict=True):
        assert case['error'] is None
        assert (case['params'], case['flops']) == (counts['params'], counts['flops'])
        assert case['work'] == (forwards and 2 * forwards * counts['flops'])
        assert len(case['seconds']) == 2 and min(case['seconds']) > 0
        assert case['images_s'] == 2 / case['median']
    assert result['cases'][1]['memory'] > 0


def test_backbones_at_any_size(benchmark):
    """Swin too, which timm builds for one; a size that a model refuses is a line of the table."""
    names = ('swin_tiny_patch4_window7_224', 'vmamba_tiny')
    sizes = ('64', '16', '32x96')
    result = benchmark(*names, '--dense', '--sizes', *sizes, '--rounds', 2)
    errors = [case['error'] for case in result['cases']]
    assert errors[:4] + errors[5:] == [None] * 5
    assert 'at least 32x32' in errors[4]
    assert result['cases'][4]['seconds'] == [] and result['cases'][4]['memory'] is None
    assert [tuple(case['size']) for case in result['cases'][:3]] == [(64, 64), (16, 16), (32, 96)]
    assert [row['model'] for row in result['growth']] == list(names)

    text = (benchmark.out / 'benchmark.md').read_text()
    assert '| vmamba_tiny | 16x16 | 29.5 M |  | not measured: VMamba needs images' in text
    assert json.loads((benchmark.out / 'benchmark.json').read_text())['cases'][0]['model'] in names
    assert (benchmark.out / 'scaling.png').exists()
    assert not (benchmark.out / 'accuracy.png').exists()  # these are no classifiers


def test_out_of_memory_is_a_line_of_the_table(benchmark, monkeypatch):
    calls = []

    def infer(self, images):
        calls.append(len(images))
        if len(images) == 4 or len(calls) > 5:  # at once, or later in the rounds
            raise torch.OutOfMemoryError('out of memory.\n Tried | everything')

    monkeypatch.setattr(subjects.TimmSubject, 'infer', infer)
    result = benchmark('test_vit', '--sizes', 160, '--batch', 1, 2, 4, '--rounds', 2)
    assert calls == [1, 1, 2, 2, 4, 1, 2]
    for case in result['cases']:
        assert case['error'] == 'out of memory. Tried | everything' and 'median' not in case
    assert benchmark.out.joinpath('benchmark.md').read_text().count('Tried / everything') == 3
    assert result['growth'] == []


@pytest.mark.parametrize(
    'args, sentence',
    [
        (['mambaot_tiny'], "no model 'mambaot_tiny'; near it: mambaout_tiny"),
        (['configs/nowhere.py'], 'configs/nowhere.py does not exist'),
        (['configs/_base_/schedules/digits.py'], 'has no model'),
    ],
)
def test_errors(fails, args, sentence):
    # `fails` puts its first argument before the others as a path or name.
    assert sentence in fails('benchmark', *args)


def test_results_are_not_overwritten(fails, tmp_path):
    (tmp_path / 'benchmark.json').write_text('{}')
    assert 'give another folder' in fails('benchmark', 'test_vit', '--out', tmp_path)


@pytest.mark.parametrize('size', ['0', '224x', 'large', '1x2x3'])
def test_wrong_sizes(benchmark, capsys, size):
    with pytest.raises(SystemExit):
        benchmark('test_vit', '--sizes', size)
    assert 'is no size such as' in capsys.readouterr().err


def test_scans(benchmark, capsys):
    result = benchmark('--scans', 8, 16, '--rounds', 1)
    assert [row['tokens'] for row in result['scans']] == [8, 8, 16, 16]
    assert json.loads((benchmark.out / 'benchmark.json').read_text()) == result
    table = (benchmark.out / 'benchmark.md').read_text()
    assert len(table.splitlines()) == 2 + 4 and table in capsys.readouterr().out
