"""tools/benchmark.py on tiny models: what is measured, what is refused, what is computed of it."""

import json

import numpy as np
import pytest
import torch

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
    monkeypatch.setitem(tool.PEAK_SIDE, 'cpu', 64)

    def call(*args):
        return tool.main([*map(str, args), '--device', 'cpu', '--out', str(tmp_path / 'out')])

    call.tool, call.out = tool, tmp_path / 'out'
    return call


@pytest.mark.parametrize('kind', CONFIGS)
def test_whole_models(benchmark, script, kind):
    """Inference and training of every task, with the counts of tools/complexity.py."""
    config = f'configs/quickstart/{CONFIGS[kind]}.py'
    result = benchmark(
        config, '--sizes', 64, '--batch', 2, '--run', 'inference', 'training', '--rounds', 2
    )
    complexity = script('complexity')
    counts = complexity.complexity(complexity.load_config(config), (64, 64))
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

    monkeypatch.setattr(benchmark.tool.TimmModel, 'infer', infer)
    result = benchmark('test_vit', '--sizes', 160, '--batch', 1, 2, 4, '--rounds', 2)
    assert calls == [1, 1, 2, 2, 4, 1, 2]
    for case in result['cases']:
        assert case['error'] == 'out of memory. Tried | everything' and 'median' not in case
    assert benchmark.out.joinpath('benchmark.md').read_text().count('Tried / everything') == 3
    assert result['growth'] == []


def test_training_leaves_the_weights(benchmark):
    case = benchmark.tool.Case('test_vit', (160, 160), 2, 'bf16', 'eager', 'training')
    torch.manual_seed(0)
    built = []
    model = benchmark.tool.build('test_vit', False)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    benchmark.tool.build = lambda *_: built.append(model) or model
    (step,) = benchmark.tool.make_steps([case], False, torch.device('cpu'))
    step()
    assert case.error is None and built == [model] and model.module.training
    torch.testing.assert_close(dict(model.module.state_dict()), before)
    assert len(model.optimizer.state) == len(before)  # it did update them, by nothing


def test_models_are_as_their_run_needs_them(benchmark, monkeypatch):
    """Shared by the sizes, but not by modes and runs, which differ in the model's state."""
    built, compiled = [], []
    build = benchmark.tool.build
    monkeypatch.setattr(
        benchmark.tool, 'build', lambda *args: built.append(build(*args)) or built[-1]
    )
    monkeypatch.setattr(
        torch.nn.Module, 'compile', lambda self, dynamic: compiled.append((self, dynamic))
    )
    settings = [('eager', 'inference'), ('compiled', 'inference'), ('eager', 'training')]
    cases = [
        benchmark.tool.Case('test_vit', (side, side), 1, 'fp32', *setting)
        for setting in settings
        for side in (160, 96)
    ]
    benchmark.tool.make_steps(cases, False, torch.device('cpu'))
    assert [model.module.training for model in built] == [False, False, True]
    assert compiled == [(built[1].module, False)]


def test_summary(benchmark):
    case = benchmark.tool.Case('a', (10, 10), 4, 'fp32', 'eager', 'inference')
    case.seconds, case.work = [1.0, 2.0, 3.0, 4.0, 5.0], 600
    row = benchmark.tool.summary(case, dict(fp32=1000.0))
    assert (row['median'], row['p95']) == (3.0, 4.8)
    assert row['spread'] == pytest.approx(2 / 3)
    assert row['images_s'] == pytest.approx(4 / 3)
    assert row['peak_share'] == pytest.approx(0.2)


def test_growth_and_figures(benchmark, tmp_path):
    """Known powers are found, each model's and setting's apart."""
    report = benchmark.tool.benchmark_report
    cases = []
    for model, power in (('mila_tiny', 1.0), ('mila_small', 2.0)):
        for side in (448, 224, 896):
            case = benchmark.tool.Case(model, (side, side), 1, 'fp32', 'eager', 'inference')
            case.seconds, case.memory = [1e-6 * side ** (2 * power)], side
            cases.append(benchmark.tool.summary(case, dict(fp32=1.0)))
    rows = report.growth(cases)
    assert [row['model'] for row in rows] == ['mila_tiny', 'mila_small']
    np.testing.assert_allclose([row['time'] for row in rows], [1, 2])
    np.testing.assert_allclose([row['memory'] for row in rows], [0.5, 0.5])

    result = dict(machine=dict(device='x', date='y', torch='z'), dense=False, cases=cases)
    for figure in (report.scaling_figure, report.accuracy_figure):
        figure(tmp_path / 'figure.png', result)
        (tmp_path / 'figure.png').unlink()


def test_the_products_peak(benchmark):
    product, adds = benchmark.tool.matmul('bf16', torch.device('cpu'))
    assert product().shape == (64, 64) and product().dtype == torch.bfloat16
    assert adds == 64**3


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
