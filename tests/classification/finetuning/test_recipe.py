"""Each head with each kind of backbone: a config for own data that builds and fits its backbone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from classification.engine.configs.heads import class_counts
from classification.engine.errors import UsageError
from classification.finetuning.choices import choose_images, choose_schedule
from classification.finetuning.facts import Facts
from classification.finetuning.recipe import TEMPLATES, OwnData, compose, released_weights

HEADS = [(kind, head) for kind, heads in TEMPLATES.items() for head in heads]
DATA = OwnData(
    classes=('cat', 'dog', 'owl'),
    palette=[(1, 2, 3), (4, 5, 6), (7, 8, 9)],
    train=Path('/data/train'),
    val=Path('/data/val'),
)


def choices(kind, epochs=100):
    facts = Facts(kind, 3, 160, 40, (500, 400), np.full(9, 60.0), (9, 9, 9), False)
    return choose_schedule(choose_images(facts), facts, (4, 'it fits'), epochs=epochs)


@pytest.mark.parametrize('backbone', ['mila-digits', 'convnext-t'])
@pytest.mark.parametrize('kind, head', HEADS)
def test_every_head_takes_every_backbone(kind, head, backbone):
    cfg = compose(kind, head, backbone, None, DATA, choices(kind))
    init_default_scope(cfg.default_scope)
    with torch.no_grad():
        model = MODELS.build(cfg.model)
        maps = model.eval().backbone(torch.zeros(1, 3, 64, 64))
        if hasattr(model, 'neck'):  # widths that do not fit are an error
            model.neck(maps)
        elif kind == 'semantic':
            model(torch.zeros(1, 3, 64, 64), mode='tensor')
            if model.with_auxiliary_head:
                model.auxiliary_head(maps)
        elif head == 'mask2former':  # it reads values
            assert cfg.model.panoptic_head.in_channels == [m.shape[1] for m in maps]
    assert {count for _, count in class_counts(cfg.model)} == {3}
    assert cfg.train_dataloader.batch_size * cfg.optim_wrapper.accumulative_counts == 16
    text = cfg.pretty_text  # nothing of COCO's or ImageNet's own is left in it
    assert 'data/' not in text.replace('/data/', '') and 'checkpoints/' not in text


@pytest.mark.parametrize('kind, head', HEADS)
def test_the_text_of_a_config_is_the_config(kind, head, tmp_path):
    cfg = compose(kind, head, 'mila-t', 'weights.pth', DATA, choices(kind))
    path = tmp_path / 'config.py'
    path.write_text(cfg.pretty_text)
    again = Config.fromfile(path)
    assert again.to_dict() == cfg.to_dict()
    assert 'weights.pth' in str(again.model)


def test_masks_are_evaluated_where_they_are_trained():
    assert compose(
        'detect', None, 'mila-t', None, DATA, choices('detect')
    ).val_evaluator.metric == ['bbox']
    cfg = compose('segment', None, 'mila-t', None, DATA, choices('segment'))
    assert cfg.val_evaluator.metric == ['bbox', 'segm']
    assert cfg.default_hooks.checkpoint.save_best == 'coco/segm_mAP'


@pytest.mark.parametrize('epochs, ema', [(5, False), (100, True)])
@pytest.mark.parametrize('kind', TEMPLATES)
def test_the_best_checkpoint_goes_by_the_weights_that_are_evaluated(kind, epochs, ema):
    cfg = compose(kind, None, 'mila-t', None, DATA, choices(kind, epochs))
    hooks = {hook['type']: hook for hook in cfg.custom_hooks}
    assert ('EMA' in hooks or 'EMAHook' in hooks) is ema
    metric = hooks['EndWithoutProgress']['metric']
    assert metric == cfg.default_hooks.checkpoint.save_best
    assert ('ema' in metric) is (ema and kind == 'classify')


@pytest.mark.parametrize('kind', ['detect', 'segment', 'semantic'])
def test_an_average_counts_iterations_and_the_choice_updates(kind):
    cfg = compose(kind, None, 'mila-t', None, DATA, choices(kind))
    hooks = {hook['type']: hook for hook in cfg.custom_hooks}
    assert hooks['EMAHook']['momentum'] == 0.01 / 4 and cfg.optim_wrapper.accumulative_counts == 4


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match='--head upernet is none for detect'):
        compose('detect', 'upernet', 'mila-t', None, DATA, choices('detect'))
    with pytest.raises(UsageError, match='No backbone is called mila-x'):
        compose('detect', None, 'mila-x', None, DATA, choices('detect'))


@pytest.mark.parametrize('name, path', [('mila-t', 'mila_tiny.pth'), ('mila-digits', None)])
def test_released_weights(name, path):
    found = released_weights(name)
    assert (found and found.name) == path


@pytest.mark.parametrize('weights, decay', [('weights.pth', 0.8), (None, 1.0)])
def test_random_weights_have_no_general_features_to_keep(weights, decay):
    cfg = compose('classify', None, 'mila-t', weights, DATA, choices('classify'))
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay == decay
