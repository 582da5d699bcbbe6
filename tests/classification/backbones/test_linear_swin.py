"""The study's models as backbones; what all backbones share is tested with MILA and others."""

import pytest
import timm
import torch
from mmengine.registry import MODELS

from classification.backbones import LinearSwinBackbone

SMALL = dict(num_classes=5, img_size=32, embed_dim=16, depths=(1, 2), num_heads=(2, 4))


def build(row):
    torch.manual_seed(0)
    return timm.create_model(f'study_{row}', **SMALL)


def images(height, width):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_dense_backbone_is_built_from_every_scope():
    import mmdet.registry
    import mmseg.registry

    config = dict(
        type='LinearSwin',
        embed_dim=16,
        depths=(1, 1),
        num_heads=(2, 4),
        pos=['lepe'],
        forget_gate=True,
        scan=['row'],
        out_indices=(0, 1),
        frozen_stages=1,
    )
    for registry in (MODELS, mmdet.registry.MODELS, mmseg.registry.MODELS):
        model = registry.build(config).train()
        maps = model(images(64, 96))
        assert [tuple(m.shape) for m in maps] == [(2, 16, 16, 24), (2, 32, 8, 12)]
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        assert all(n.startswith(('patch_embed', 'layers.0', 'norm0')) for n in frozen) and frozen
    with pytest.raises(TypeError, match='forgetgate'):
        MODELS.build(dict(type='LinearSwin', forgetgate=True))


def test_classifiers_weights_become_the_backbones(tmp_path):
    classifier = build('rope')
    torch.save({'state_dict': classifier.state_dict()}, tmp_path / 'study.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'study.pth'))
    sizes = {k: v for k, v in SMALL.items() if k != 'num_classes'}
    backbone = LinearSwinBackbone(out_indices=(0, 1), init_cfg=init_cfg, **sizes, pos='rope')
    backbone.init_weights()
    for name, value in backbone.state_dict().items():
        assert name.startswith('norm') or torch.equal(value, classifier.state_dict()[name])


def test_an_option_of_timm_models_is_none_of_its_own():
    with pytest.raises(TypeError, match='norm'):
        MODELS.build(dict(type='LinearSwin', norm=False))
