"""The models of committed configs, small enough to train in a test, on the fixtures' digits."""

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope

from classification.engine.configs.heads import set_num_classes
from classification.engine.configs.loading import load_config
from classification.engine.task import task_of
from tests.helpers import FIXTURES, ROOT

WIDTHS = (8, 16, 32, 64)
STAGES = dict(depths=(1, 1, 1, 1))
# Small backbones whose stages have WIDTHS channels.
BACKBONES = {
    'MILA': dict(type='MILA', arch=dict(**STAGES, embed_dim=8, num_heads=(1, 1, 2, 2))),
    'VMamba': dict(type='VMamba', arch=dict(**STAGES, embed_dim=8, ssm_ratio=1.0)),
    'study': dict(
        type='LinearSwin', **STAGES, embed_dim=8, num_heads=(1, 1, 2, 2), block='gated+mlp'
    ),
    'MambaOut': dict(type='TimmBackbone', **STAGES, name='mambaout_femto', dims=WIDTHS),
    'ConvNeXt': dict(type='TimmBackbone', **STAGES, name='convnext_atto', dims=WIDTHS),
}


def small_config(task, name, options, backbone='MILA'):
    """The fixture of `task`, with the model of the committed config `name` instead of its own.

    Args:
        task: 'detection' or 'segmentation'.
        name: of the config, without folder and ending.
        options: what makes it small, beside the backbone: dotted key of the model -> value.
        backbone: one of BACKBONES, which takes the place of MILA-T.
    """
    cfg = load_config(FIXTURES / f'{task}.py')
    model = Config(load_config(ROOT / f'configs/{task}/{name}.py').model.to_dict())
    model.merge_from_dict(options)
    stages = model.backbone.get('out_indices', (0, 1, 2, 3))
    model.backbone = dict(BACKBONES[backbone], out_indices=stages)
    reader = model.get('neck') or model.get('panoptic_head') or model.decode_head
    reader.in_channels = [WIDTHS[stage] for stage in stages]
    cfg.model = ConfigDict(model.to_dict())
    set_num_classes(cfg.model, len(cfg.train_dataloader.dataset.metainfo.classes))
    cfg.train_dataloader.dataset.indices = 4
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    return cfg


def installed_config(name):
    """A config of mmdet or mmsegmentation with a small MILA instead of its own backbone.

    FPNs that read from a later stage on get the maps of those stages alone.
    """
    cfg = get_config(f'{name}.py')
    model = cfg.model
    neck = model.get('neck')
    reader = model.decode_head if neck is None else neck[0] if isinstance(neck, list) else neck
    stages = model.backbone.get('out_indices', (0, 1, 2, 3))[reader.get('start_level', 0) :]
    if 'start_level' in reader:
        reader.start_level = 0
    reader.in_channels = [WIDTHS[stage] for stage in stages]
    if 'auxiliary_head' in model:
        model.auxiliary_head.in_channels = WIDTHS[model.auxiliary_head.in_index]
    model.backbone = dict(BACKBONES['MILA'], out_indices=stages)
    model.pop('pretrained', None)  # the ResNet's weights
    if 'num_queries' in model:
        model.num_queries = 20
    set_num_classes(model, 5)
    return cfg


def assert_trains(cfg):
    """A training step on noise has a finite loss, and a gradient for every parameter."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
        model.init_weights()
        batch = task_of(cfg).noise_batch(cfg, model, 2, (96, 96), training=True)
        loss, _ = model.parse_losses(model(*batch, mode='loss'))
    loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
