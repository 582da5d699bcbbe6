"""ImageClassifier: its losses by hand, its weights in and out, its switches."""

import copy
import math

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from torch._dynamo.testing import CompileCounter

import classification  # noqa: F401  registers
from classification.engine.errors import CheckpointError, DataError

NANO = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 2))
MIXUP = dict(mixup_alpha=0.8, cutmix_alpha=1.0)


def build(num_classes=5, name='mila_tiny', arch=NANO, **kwargs):
    torch.manual_seed(0)
    model = dict(name=name, num_classes=num_classes, **arch)
    return MODELS.build(dict(type='ImageClassifier', model=model, **kwargs))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 32, 32, generator=generator)
    return dict(inputs=images, targets=torch.tensor([0, 4, 2, 2]))


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_loss_by_hand(batch, smoothing):
    model = build(label_smoothing=smoothing)
    loss = model(**batch, mode='loss')['loss']
    expected = 0
    with torch.no_grad():
        rows = model(batch['inputs']).double().tolist()
    for logits, target in zip(rows, batch['targets'].tolist(), strict=True):
        total = math.log(sum(math.exp(value) for value in logits))
        for k, value in enumerate(logits):
            share = (1 - smoothing) * (k == target) + smoothing / len(logits)
            expected += share * (total - value) / len(rows)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('seed', [0, 3, 2, 5])  # mixup, mixup, cutmix, cutmix
def test_mixup_is_timms(batch, seed):
    """Same images, targets and loss as timm's Mixup with its smoothing and its soft loss."""
    model = build(label_smoothing=0.1, mixup=MIXUP)
    np.random.seed(seed)
    images, targets = Mixup(**MIXUP, label_smoothing=0.1, num_classes=5)(
        batch['inputs'].clone(), batch['targets']
    )
    expected = SoftTargetCrossEntropy()(model(images), targets)
    plain = build(label_smoothing=0.1).loss(**batch)['loss']
    np.random.seed(seed)
    loss = model.loss(**batch)['loss']
    torch.testing.assert_close(loss, expected)
    assert abs(loss - plain) > 1e-4


def test_no_mixup_outside_training(batch):
    model = build(mixup=MIXUP).eval()
    before = batch['inputs'].clone()
    torch.testing.assert_close(model.loss(**batch), build().eval().loss(**batch))
    assert torch.equal(batch['inputs'], before)


def test_mixup_needs_pairs(batch):
    with pytest.raises(DataError, match='has 3: .*even batch_size and drop_last'):
        build(mixup=MIXUP).loss(batch['inputs'][:3], batch['targets'][:3])


@pytest.mark.parametrize('mixup', [None, MIXUP])
def test_mesa_by_hand(batch, mixup):
    """The teacher sees the same mixed images, in eval mode, and does not learn."""
    model, teacher = build(mixup=mixup), build().eval()
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(1.5)
    np.random.seed(0)
    images, targets = batch['inputs'].clone(), batch['targets']
    if mixup:
        images, targets = Mixup(**mixup, label_smoothing=0.0, num_classes=5)(images, targets)
    with torch.no_grad():
        logits, seen = model(images).double(), teacher(images).double().softmax(1)
    plain = torch.nn.functional.cross_entropy(logits, targets)
    expected = plain - 1.5 * (seen * logits.log_softmax(1)).sum(1).mean()

    model.attach_ema(teacher.backbone)
    model.mesa = 1.5
    np.random.seed(0)
    loss, logged = model.parse_losses(model.loss(**batch))
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert logged['loss'].item() == pytest.approx(plain.item(), rel=1e-5)
    assert logged['loss_mesa'].item() == pytest.approx((expected - plain).item(), rel=1e-5)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not any(name.startswith('ema') for name in model.state_dict())
    assert model.train() is model and not teacher.backbone.training


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_predict(batch, dtype):
    model = build().eval().to(dtype)
    results = model.test_step(dict(batch, inputs=batch['inputs'].to(dtype)))
    logits = model(batch['inputs'].to(dtype))
    assert len(results) == 4
    for result, row, target in zip(results, logits, batch['targets'], strict=True):
        assert result.keys() == {'scores', 'target'}
        assert result['scores'].shape == (5,) and result['scores'].dtype == torch.float32
        torch.testing.assert_close(result['scores'], row.float().softmax(0))
        assert result['target'] == target
    assert [r.keys() for r in model.predict(batch['inputs'].to(dtype))] == [{'scores'}] * 4


def test_unknown_mode(batch):
    with pytest.raises(ValueError, match="not 'los'"):
        build()(**batch, mode='los')


def test_unknown_arguments():
    with pytest.raises(ValueError, match="no model 'mila_tinny'; near it: mila_tiny"):
        build(name='mila_tinny')
    with pytest.raises(TypeError, match='drop_pth'):
        build(arch=dict(NANO, drop_pth=0.1))
    with pytest.raises(TypeError, match='mixup_alfa'):
        build(mixup=dict(mixup_alfa=1.0))


def test_other_timm_models(batch):
    model = build(name='test_convnext', arch={}, label_smoothing=0.1)
    model.train_step(dict(batch, inputs=batch['inputs'].repeat(1, 1, 2, 2)), build_sgd(model))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()  # which some models of timm define for themselves
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def passes(model, batch):
    """Loss, gradients, and how often each block of the model ran in one training step."""
    runs = []
    for stage in model.backbone.layers:
        for block in stage.blocks:
            block.register_forward_pre_hook(lambda *_: runs.append(1))
    loss = model(**batch, mode='loss')['loss']
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return loss, gradients, len(runs)


def test_gradient_checkpointing_runs_each_block_twice_for_the_same_gradients(batch):
    loss, gradients, runs = passes(build(), batch)
    again, the_same, twice = passes(build(grad_checkpointing=True), batch)
    assert (runs, twice) == (4, 8)
    torch.testing.assert_close(again, loss)
    torch.testing.assert_close(the_same, gradients)


def test_channels_last(batch):
    model, formats = build(channels_last=True), []
    stem = next(m for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    assert stem.weight.is_contiguous(memory_format=torch.channels_last)
    stem.register_forward_pre_hook(lambda _, args: formats.append(args[0]))
    torch.testing.assert_close(model(batch['inputs']), build()(batch['inputs']))
    assert formats[0].is_contiguous(memory_format=torch.channels_last)
    assert not formats[0].is_contiguous()


def test_compile(batch):
    """Model and average are compiled, under the names that they have without."""
    counter, plain = CompileCounter(), build()
    model = build(compile=dict(backend=counter))
    torch.testing.assert_close(model(batch['inputs']), plain(batch['inputs']))
    compiled = counter.frame_count
    assert compiled > 0
    assert model.state_dict().keys() == plain.state_dict().keys()
    model.attach_ema(copy.deepcopy(model).backbone)
    model.eval().predict(batch['inputs'])
    assert counter.frame_count > compiled
    assert build(compile=True).backbone._compiled_call_impl is not None
    assert plain.backbone._compiled_call_impl is None


def build_sgd(model):
    return build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.1)))


@pytest.fixture
def checkpoint(tmp_path):
    """What the Runner saves of a classifier with five classes, and the classifier."""
    model = build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta={}, state_dict=model.state_dict()), path)
    return path, model.state_dict()


def pretrained(path, **kwargs):
    return dict(type='Pretrained', checkpoint=str(path), **kwargs)


def test_weights_for_the_dense_model(checkpoint):
    """Detection and segmentation take the file as it is."""
    path, saved = checkpoint
    assert all(name.startswith('backbone.') for name in saved)
    dense = MODELS.build(dict(type='MILA', arch=NANO, init_cfg=pretrained(path)))
    dense.init_weights()
    for name, value in dense.state_dict().items():
        if not name.startswith('norm'):
            assert torch.equal(value, saved[f'backbone.{name}']), name


@pytest.mark.parametrize('bare', [False, True])
def test_pretrained(checkpoint, bare):
    path, saved = checkpoint
    if bare:  # as timm saves its models
        torch.save({name.removeprefix('backbone.'): v for name, v in saved.items()}, path)
    model = build(init_cfg=pretrained(path))
    model.init_weights()
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_pretrained_for_other_classes(checkpoint):
    path, saved = checkpoint
    with pytest.raises(CheckpointError, match='head.weight is .*reset_head=True'):
        build(num_classes=3, init_cfg=pretrained(path)).init_weights()
    model = build(num_classes=3, init_cfg=pretrained(path, reset_head=True))
    model.init_weights()
    for name, value in model.state_dict().items():
        if not name.startswith('backbone.head.'):
            assert torch.equal(value, saved[name]), name
    assert model.num_classes == 3
    assert model.backbone.head.weight.shape == (3, 64)
    assert model.backbone.head.weight.std() < 0.05 and not model.backbone.head.bias.any()


def test_reset_head_of_another_model(tmp_path):
    path = tmp_path / 'convnext.pth'
    saved = build(7, 'test_convnext', {}).state_dict()
    torch.save(saved, path)
    model = build(3, 'test_convnext', {}, init_cfg=pretrained(path, reset_head=True))
    model.init_weights()
    assert torch.equal(model.backbone.head.norm.weight, saved['backbone.head.norm.weight'])
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize(
    'init_cfg',
    [
        dict(type='Kaiming'),
        dict(type='Pretrained', checkpont='x.pth'),
        dict(type='Pretrained', checkpoint='x.pth', strict=False),
    ],
)
def test_bad_init_cfg(init_cfg):
    with pytest.raises(ValueError, match='init_cfg'):
        build(init_cfg=init_cfg).init_weights()


def test_a_file_that_does_not_fit(checkpoint):
    path, _ = checkpoint
    wide = dict(NANO, embed_dim=16)
    with pytest.raises(CheckpointError) as error:
        build(arch=wide, init_cfg=pretrained(path)).init_weights()
    assert 'does not fit ImageClassifier' in str(error.value)
