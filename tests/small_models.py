"""Every model that this project registers with timm, small."""

import timm
import torch

from classification.models import MILA_ARCHS, ROWS, VMAMBA_ARCHS

SIZES = {
    **{f'mila_{arch}': dict(embed_dim=8, depths=(1, 1), num_heads=(1, 2)) for arch in MILA_ARCHS},
    **{f'vmamba_{arch}': dict(embed_dim=8, depths=(1, 1)) for arch in VMAMBA_ARCHS},
    **{
        f'study_{row}': dict(embed_dim=16, depths=(1, 1), num_heads=(2, 4), img_size=(64, 96))
        for row in ROWS
    },
}


def build(name, **options):
    """A classifier of SIZES for inference, the same in each call."""
    torch.manual_seed(0)
    return timm.create_model(name, **{**SIZES[name], 'num_classes': 5, **options}).eval()
