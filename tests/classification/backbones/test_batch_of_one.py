"""Gradients of one image alone are those of the same image in a batch of two, for every backbone.

On a CPU the backward of PyTorch's BatchNorm2d is silently wrong for a batch of one when one of its
input and its incoming gradient, and not the other, lies in token order: strides (C, 1, W * C, C).
Seen with PyTorch 2.12 and 2.14. No model here may bring it about.
"""

import pytest
import torch
from mmengine.registry import MODELS

import classification  # noqa: F401 - registers the models
from classification.models.study_rows import ROWS
from tests.helpers import images, relative_error

SIZE = (32, 64)
STAGES = dict(depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
STUDY = dict(embed_dim=16, depths=(1, 1), num_heads=(2, 4), img_size=SIZE, out_indices=(0, 1))
BACKBONES = {
    'MILA': dict(
        type='MILA', arch=dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4))
    ),
    'VMamba': dict(type='VMamba', arch=dict(embed_dim=8, depths=(1, 1, 1, 1), ssm_ratio=1.0)),
}
