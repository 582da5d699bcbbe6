"""Timing cases: models as their runs need them, what is computed of the seconds."""

import pytest
import torch

from classification.benchmark import measure
from classification.benchmark.subjects import build_subject


def test_training_leaves_the_weights(monkeypatch):
    case = measure.Case('test_vit', (160, 160), 2, 'bf16', 'eager', 'training')
    torch.manual_seed(0)
    built = []
    model = build_subject('test_vit')
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    monkeypatch.setattr(measure, 'build_subject', lambda *_: built.append(model) or model)
    optimizers = []
    adamw = torch.optim.AdamW
    monkeypatch.setattr(
        torch.optim, 'AdamW', lambda *a, **k: optimizers.append(adamw(*a, **k)) or optimizers[-1]
    )
    (step,) = measure.make_steps([case], False, torch.device('cpu'))
    step()
    assert case.error is None and built == [model] and model.module.training
    torch.testing.assert_close(dict(model.module.state_dict()), before)
    (optimizer,) = optimizers
    assert len(optimizer.state) == len(before)  # it did update them, by nothing


def test_models_are_as_their_run_needs_them(monkeypatch):
    """Shared by the sizes, but not by modes and runs, which differ in the model's state."""
    built, compiled = [], []
    monkeypatch.setattr(
        measure, 'build_subject', lambda *args: built.append(build_subject(*args)) or built[-1]
    )
    monkeypatch.setattr(
        torch.nn.Module, 'compile', lambda self, dynamic: compiled.append((self, dynamic))
    )
    settings = [('eager', 'inference'), ('compiled', 'inference'), ('eager', 'training')]
    cases = [
        measure.Case('test_vit', (side, side), 1, 'fp32', *setting)
        for setting in settings
        for side in (160, 96)
    ]
    measure.make_steps(cases, False, torch.device('cpu'))
    assert [model.module.training for model in built] == [False, False, True]
    assert compiled == [(built[1].module, False)]


def test_fused_models_have_no_batch_norm(monkeypatch):
    """Inference in half precision has weights of that dtype; training folds nothing."""
    built = []
    monkeypatch.setattr(
        measure, 'build_subject', lambda *args: built.append(build_subject(*args)) or built[-1]
    )
    for precision, run in (('bf16', 'inference'), ('bf16', 'training')):
        case = measure.Case('mila_tiny', (32, 32), 2, precision, 'fused', run)
        (step,) = measure.make_steps([case], True, torch.device('cpu'))
        step()
        assert case.error is None
    norms = [
        any(isinstance(module, torch.nn.BatchNorm2d) for module in subject.module.modules())
        for subject in built
    ]
    assert norms == [False, True]
    dtypes = [next(subject.module.parameters()).dtype for subject in built]
    assert dtypes == [torch.bfloat16, torch.float32]


def test_summary():
    case = measure.Case('a', (10, 10), 4, 'fp32', 'eager', 'inference')
    case.seconds, case.work = [1.0, 2.0, 3.0, 4.0, 5.0], 600
    row = measure.summary(case, dict(fp32=1000.0))
    assert (row['median'], row['p95']) == (3.0, 4.8)
    assert row['spread'] == pytest.approx(2 / 3)
    assert row['images_s'] == pytest.approx(4 / 3)
    assert row['peak_share'] == pytest.approx(0.2)


def test_the_products_peak(monkeypatch):
    monkeypatch.setitem(measure.PEAK_SIDE, 'cpu', 64)
    product, adds = measure.matmul('bf16', torch.device('cpu'))
    assert product().shape == (64, 64) and product().dtype == torch.bfloat16
    assert adds == 64**3


def test_from_python(monkeypatch):
    """What tools/benchmark.py writes, without a command line."""
    monkeypatch.setitem(measure.PEAK_SIDE, 'cpu', 64)
    cases = [
        measure.Case('test_vit', (side, side), 1, 'fp32', 'eager', 'inference')
        for side in (160, 96)
    ]
    said = []
    result = measure.run_benchmark(cases, rounds=2, say=said.append)
    assert result.keys() == {'machine', 'dense', 'peak', 'cases', 'growth'}
    assert [len(row['seconds']) for row in result['cases']] == [2, 2]
    assert result['growth'][0]['model'] == 'test_vit'
    assert said[0].startswith('[1/2] test_vit 160x160, batch 1, fp32, eager, inference: ')
    assert said[-1] == 'round 2 of 2, 0.0 minutes left'
