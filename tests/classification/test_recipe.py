"""The ImageNet recipe, part by part: each of these fails where its part is left out or changed."""

import logging

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, TRANSFORMS
from PIL import Image
from timm.data.auto_augment import RandAugment
from timm.data.random_erasing import RandomErasing
from timm.layers import DropPath
from torchvision.transforms import InterpolationMode

import classification  # noqa: F401  registers
from tests.helpers import ROOT

CONFIGS = ROOT / 'configs'
SCHEDULE = CONFIGS / '_base_/schedules/imagenet_300e.py'
RECIPES = {'t_8xb128': (128, 0.2, 1.0), 's_8xb64': (64, 0.3, 1.5), 'b_8xb64': (64, 0.5, 2.0)}


@pytest.fixture(params=RECIPES)
def recipe(request):
    """(config, (batch of a GPU, drop path, weight of MESA))."""
    file = CONFIGS / f'classification/mila-{request.param}_in1k.py'
    return Config.fromfile(file), RECIPES[request.param]


def test_the_model_and_its_loss(recipe):
    cfg, (_, drop_path, _) = recipe
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    rates = [m.drop_prob for m in model.modules() if isinstance(m, DropPath)]
    assert max(rates) == pytest.approx(drop_path)
    assert model.label_smoothing == 0.1
    mixup = model.mixup
    assert (mixup.mixup_alpha, mixup.cutmix_alpha, mixup.mix_prob, mixup.switch_prob) == (
        0.8,
        1.0,
        1.0,
        0.5,
    )
    assert mixup.mode == 'batch' and mixup.label_smoothing == 0.0  # the loss smooths


def test_the_average_and_its_teaching(recipe):
    cfg, (batch, _, weight) = recipe
    assert cfg.default_hooks.ema == dict(type='EMA')  # whose defaults are the recipe's
    assert cfg.default_hooks.mesa == dict(type='MESA', weight=weight)
    assert cfg.train_dataloader.batch_size == batch and cfg.train_dataloader.drop_last


def test_the_augmentation(recipe):
    cfg, _ = recipe
    steps = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[1]).transform.transforms
    crop, flip = steps[:2]
    assert (crop.size, crop.scale) == ((224, 224), (0.08, 1.0))
    assert crop.interpolation == InterpolationMode.BICUBIC
    assert flip.p == 0.5
    augment = next(step for step in steps if isinstance(step, RandAugment))
    assert augment.num_layers == 2
    assert {(op.magnitude, op.magnitude_std) for op in augment.ops} == {(9, 0.5)}
    assert any('Increasing' in op.name for op in augment.ops)
    erase = next(step for step in steps if isinstance(step, RandomErasing))
    assert (erase.probability, erase.per_pixel, erase.min_count, erase.max_count) == (
        0.25,
        True,
        1,
        1,
    )
    # timm leaves colour jitter to RandAugment where both are given.
    assert cfg.train_dataloader.dataset.pipeline[1].color_jitter == 0.4


def test_the_strongest_augmentation_can_be_applied(recipe):
    """Of the recipe's random strengths one in 44 is 10, at which timm asks Pillow for 0 bits."""
    cfg, _ = recipe
    steps = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[1]).transform.transforms
    augment = next(step for step in steps if isinstance(step, RandAugment))
    image = Image.fromarray(np.arange(3 * 64, dtype=np.uint8).reshape(8, 8, 3))
    for operation in augment.ops:
        operation.magnitude, operation.magnitude_std, operation.prob = 10, 0, 1
        assert operation(image).size == (8, 8), operation.name


def test_the_evaluation(recipe):
    cfg, _ = recipe
    resize, crop = TRANSFORMS.build(cfg.val_dataloader.dataset.pipeline[1]).transform.transforms[:2]
    assert (resize.size, crop.size) == (256, (224, 224))
    assert resize.interpolation == InterpolationMode.BICUBIC
    assert cfg.val_cfg == {} and cfg.val_evaluator.topk == (1, 5)  # {}: in fp32


def test_the_published_peak(recipe):
    """8 GPUs of 128 train at 1e-3, as in the authors' log."""
    cfg, (batch, _, _) = recipe
    scale = 8 * batch / cfg.auto_scale_lr.base_batch_size
    assert cfg.auto_scale_lr.enable
    assert cfg.optim_wrapper.optimizer.lr * scale == {128: 1e-3, 64: 5e-4}[batch]


@pytest.mark.parametrize('name', ['mila_tiny', 'vmamba_tiny', 'study_mamba', 'study_ape'])
def test_the_optimizer(name, caplog):
    """AdamW: .05 for everything but biases, other 1-D parameters and what is no weight."""
    caplog.set_level(logging.ERROR)
    cfg = Config.fromfile(SCHEDULE).optim_wrapper
    with torch.device('meta'):
        model = MODELS.build(dict(type='ImageClassifier', model=dict(name=name, num_classes=5)))
    optim = build_optim_wrapper(model, cfg)
    groups = optim.optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    others = ('A_log', 'A_logs', 'D', 'Ds', 'delta_bias', 'dt_projs_bias', 'ape')
    for parameter_name, parameter in model.named_parameters():
        last = parameter_name.split('.')[-1]
        free = parameter.ndim <= 1 or last == 'bias' or last in others
        assert decay[id(parameter)] == (0.0 if free else 0.05), parameter_name
    assert len(decay) == len(list(model.parameters()))
    assert optim.clip_grad_kwargs == dict(max_norm=5.0)
    assert isinstance(optim.optimizer, torch.optim.AdamW)
    assert groups[0]['betas'] == (0.9, 0.999) and groups[0]['eps'] == 1e-8


def test_gradients_are_clipped():
    model = torch.nn.Linear(2, 1, bias=False)
    cfg = Config.fromfile(SCHEDULE).optim_wrapper
    optim = build_optim_wrapper(model, dict(cfg, optimizer=dict(type='SGD', lr=1.0)))
    before = model.weight.detach().clone()
    optim.update_params(model(torch.tensor([[300.0, 400.0]])).sum())
    assert (before - model.weight).norm().item() == pytest.approx(5.0, rel=1e-4)
