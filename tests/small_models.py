"""The models that this project registers with timm, small."""

import timm
import torch

from classification.models import MILA_ARCHS, ROWS
from classification.rivals.vmamba import VMAMBA_ARCHS

SIZES = {
    **{f'mila_{arch}': dict(embed_dim=8, depths=(1, 1), num_heads=(1, 2)) for arch in MILA_ARCHS},
    **{f'vmamba_{arch}': dict(embed_dim=8, depths=(1, 1)) for arch in VMAMBA_ARCHS},
    **{
        f'study_{row}': dict(embed_dim=16, depths=(1, 1), num_heads=(2, 4), img_size=(64, 96))
        for row in ROWS
    },
}
# Of each of MILA's rivals one size, which differ in numbers alone.
FOUR = dict(depths=(1, 1, 1, 1), num_heads=(2, 2, 2, 2))
RIVALS = {
    'cswin_tiny': dict(**FOUR, embed_dim=8),
    'dinat_tiny': dict(**FOUR, embed_dim=8, kernel_size=3),
    'hvittt_tiny': dict(embed_dims=(32, 32, 64, 32), depths=(1, 1, 1, 1), mlp_ratio=1),
    'nat_tiny': dict(**FOUR, embed_dim=8, kernel_size=3),
    'ravlt_tiny': dict(**FOUR, embed_dims=(8, 16, 24, 32), projection=40),
    'sgformer_small': dict(**{**FOUR, 'depths': (2, 2, 2, 1)}, embed_dims=(8, 16, 24, 32)),
    'transnext_tiny': dict(**FOUR, embed_dims=(8, 16, 24, 32)),
}


def build(name, **options):
    """A classifier of SIZES or RIVALS for inference, the same in each call."""
    torch.manual_seed(0)
    sizes = {**SIZES, **RIVALS}[name]
    return timm.create_model(name, **{**sizes, 'num_classes': 5, **options}).eval()
