"""What can be timed; whole configs are timed in tests/tools/test_benchmark.py."""

import pytest
import torch

from classification.benchmark.subjects import build_subject
from classification.engine.errors import UsageError


@pytest.mark.parametrize('dense', [False, True])
def test_a_timm_model(dense):
    subject = build_subject('mambaout_femto', dense)
    (images,) = subject.inputs(2, (64, 96), training=True)
    assert images.shape == (2, 3, 64, 96)
    with torch.no_grad():
        outputs = subject.infer(images)
    shapes = [(2, 48, 16, 24), (2, 96, 8, 12), (2, 192, 4, 6), (2, 288, 2, 3)]
    assert ([y.shape for y in outputs] if dense else outputs.shape) == (
        shapes if dense else (2, 1000)
    )
    subject.loss(images).backward()
    assert all(p.grad is not None for p in subject.module.parameters())
    assert 2 * subject.flops((64, 64)) == pytest.approx(subject.flops((64, 128)), rel=0.03)


@pytest.mark.parametrize('dense', [False, True])
def test_the_official_order(dense):
    subject = build_subject('mila_tiny@official', dense)
    (images,) = subject.inputs(1, (32, 64), training=False)
    with torch.no_grad():
        outputs = subject.infer(images)
    shapes = [y.shape for y in outputs] if dense else outputs.shape
    assert shapes == (
        [(1, 64 * 2**i, 8 // 2**i, 16 // 2**i) for i in range(4)] if dense else (1, 1000)
    )
    assert subject.flops((32, 64)) > 0
    with pytest.raises(UsageError, match='vmamba_tiny is no MILA'):
        build_subject('vmamba_tiny@official')


def test_the_weights_of_a_config_are_not_read(pytestconfig):
    path = pytestconfig.rootpath / 'configs/quickstart/mila-digits_1xb64_digits.py'
    subject = build_subject(str(path))
    inputs = subject.inputs(2, (64, 64), training=True)
    assert subject.loss(*inputs).requires_grad and subject.training_forwards == 3
    assert subject.compiled_part is subject.module.backbone


def test_unknown_names_are_a_users_error():
    with pytest.raises(UsageError, match='mila_tny cannot be built: .* near it: mila_tiny'):
        build_subject('mila_tny')
