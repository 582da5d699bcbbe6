"""Every kind of backbone, small: what several tests hold of all of them."""

import pytest
import torch
from mmengine.registry import MODELS

import classification  # noqa: F401 - registers the models
from classification.models.study_rows import ROWS
from tests.small_models import RIVALS

SIZE = (64, 96)  # of the images, in pixels
TIMM = dict(type='TimmBackbone', depths=(1, 1, 1, 1))
BACKBONES = {
    'MILA': dict(type='MILA', arch=dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4))),
    **{
        f'VMamba, ratio {ratio}': dict(
            type='VMamba', arch=dict(embed_dim=8, depths=(1, 1, 1, 1), ssm_ratio=ratio)
        )
        for ratio in (1.0, 2.0)
    },
    **{
        f'study, {row}': dict(
            type='LinearSwin',
            **dict(embed_dim=16, depths=(1, 1), num_heads=(2, 4), img_size=SIZE),
            **switches,
            out_indices=(0, 1),
        )
        for row, switches in ROWS.items()
    },
    'MambaOut': dict(**TIMM, name='mambaout_femto', dims=(8, 16, 24, 32)),
    'ConvNeXt': dict(**TIMM, name='convnext_atto', dims=(8, 16, 24, 32)),
    'Swin': dict(
        **TIMM,
        name='swin_tiny_patch4_window7_224',
        embed_dim=8,
        num_heads=(1, 1, 1, 1),
        window_size=2,
        drop_path_rate=0.0,
    ),
    # Of timm's many others some with batch norm, also where it gives the maps as they are.
    'ResNet': dict(type='TimmBackbone', name='resnet10t', out_indices=(1, 2, 3, 4)),
    'ResNet, no norm': dict(
        type='TimmBackbone', name='resnet10t', norm=False, out_indices=(1, 2, 3, 4)
    ),
    'EfficientViT': dict(type='TimmBackbone', name='efficientvit_b0'),
    **{name: dict(type='TimmBackbone', name=name, **sizes) for name, sizes in RIVALS.items()},
}
# As parameters of a test; of the rivals those with batch norm go with the ordinary ones.
KINDS = [
    pytest.param(kind, marks=pytest.mark.slow)
    if kind in RIVALS and kind not in ('hvittt_tiny', 'ravlt_tiny')
    else kind
    for kind in BACKBONES
]


def build(kind, **options):
    """A backbone of BACKBONES, the same in each call."""
    torch.manual_seed(0)
    return MODELS.build({**BACKBONES[kind], **options})
