"""ImageClassifier: its losses by hand, its weights in and out, and the recipe's numbers."""

import logging
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS
from mmengine.runner import Runner
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy

import classification  # noqa: F401  registers
from classification.data import DataError
from classification.weights import CheckpointError

CONFIGS = Path(__file__).parents[2] / 'configs'
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
    loss = model.loss(**batch)['loss']
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert abs(loss.item() - plain.item()) > 0.1
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


@pytest.mark.parametrize('init_cfg', [
    dict(type='Kaiming'), dict(type='Pretrained', checkpont='x.pth'),
    dict(type='Pretrained', checkpoint='x.pth', strict=False),
])  # fmt: skip
def test_bad_init_cfg(init_cfg):
    with pytest.raises(ValueError, match='init_cfg'):
        build(init_cfg=init_cfg).init_weights()


def test_a_file_that_does_not_fit(checkpoint):
    path, _ = checkpoint
    wide = dict(NANO, embed_dim=16)
    with pytest.raises(CheckpointError) as error:
        build(arch=wide, init_cfg=pretrained(path)).init_weights()
    assert 'does not fit ImageClassifier' in str(error.value)


# The ImageNet recipe, as Runner sets it up: the rate follows the batch of all processes.
@pytest.mark.parametrize('size, gpus, peak', [
    ('t_8xb128', 8, 1e-3), ('t_8xb128', 2, 2.5e-4), ('s_8xb64', 8, 5e-4), ('b_8xb64', 16, 1e-3),
])  # fmt: skip
def test_learning_rates(size, gpus, peak):
    """Linear from 1/1000 to the peak in 20 epochs, then a cosine to 1/100, step by step."""
    cfg = Config.fromfile(CONFIGS / f'classification/mila-{size}_in1k.py')
    epoch = 10  # iterations; a schedule by epochs would stand still between them
    optim = build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper)
    runner = SimpleNamespace(_train_dataloader=cfg.train_dataloader, world_size=gpus,
                             param_schedulers=None, logger=logging.getLogger('test'))  # fmt: skip
    Runner.scale_lr(runner, optim, cfg.auto_scale_lr)
    schedulers = [
        PARAM_SCHEDULERS.get(scheduler.pop('type')).build_iter_from_epoch(
            optim, epoch_length=epoch, **scheduler
        )
        for scheduler in map(dict, cfg.param_scheduler)
        if scheduler.pop('convert_to_iter_based')
    ]
    rates = []
    for _ in range(cfg.train_cfg.max_epochs * epoch):
        rates.append(optim.get_lr()['lr'][0])
        for scheduler in schedulers:
            scheduler.step()

    warm, total = 20 * epoch, 300 * epoch
    for i, rate in enumerate(rates):
        if i < warm:
            expected = 1e-3 + (1 - 1e-3) * i / (warm - 1)
        else:
            expected = 0.01 + 0.99 * (1 + math.cos(math.pi * (i - warm) / (total - warm))) / 2
        assert rate == pytest.approx(peak * expected, rel=1e-6), i


def test_weight_decay():
    """.05 for everything but biases and other 1-D parameters, one by one."""
    cfg = Config.fromfile(CONFIGS / 'classification/mila-t_8xb128_in1k.py')
    model = build()
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = optim.optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for name, parameter in model.named_parameters():
        expected = 0.0 if parameter.ndim == 1 or name.endswith('.bias') else 0.05
        assert decay[id(parameter)] == expected, name
    assert len(decay) == len(list(model.parameters()))
    assert optim.clip_grad_kwargs == dict(max_norm=5.0)
    assert groups[0]['betas'] == (0.9, 0.999) and groups[0]['eps'] == 1e-8
