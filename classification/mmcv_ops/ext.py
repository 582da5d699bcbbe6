"""What `mmcv._ext` offers: the operators that two-dimensional models call.

This file runs under the name `mmcv._ext` (see classification/stand_ins.py). An operator that is
not here imports as every other and raises when it is called: mmcv asks for all of them at import.
"""

from typing import Any, NoReturn

import torch

from classification.mmcv_ops.boxes import bbox_overlaps, nms, nms_match, softnms
from classification.mmcv_ops.carafe import (
    carafe_backward,
    carafe_forward,
    carafe_naive_backward,
    carafe_naive_forward,
)
from classification.mmcv_ops.deform_attention import ms_deform_attn_backward, ms_deform_attn_forward
from classification.mmcv_ops.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from classification.mmcv_ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from classification.mmcv_ops.masked_conv import masked_col2im_forward, masked_im2col_forward
from classification.mmcv_ops.psa_mask import psamask_backward, psamask_forward
from classification.mmcv_ops.roi_align import roi_align_backward, roi_align_forward
from classification.mmcv_ops.roi_pool import (
    deform_roi_pool_backward,
    deform_roi_pool_forward,
    roi_pool_backward,
    roi_pool_forward,
)

__all__ = [
    'bbox_overlaps',
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'deform_roi_pool_backward',
    'deform_roi_pool_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'masked_col2im_forward',
    'masked_im2col_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'psamask_backward',
    'psamask_forward',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]


def get_compiler_version() -> str:
    """What MMEngine's report of the environment says of mmcv's compiler."""
    return 'none, the operators are torchvision and PyTorch'


def get_compiling_cuda_version() -> str:
    """The CUDA version of the operators, which is PyTorch's own."""
    return str(torch.version.cuda or 'none')


def __getattr__(name: str) -> Any:
    if name.startswith('__'):
        raise AttributeError(name)

    def not_here(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"mmcv's operator {name} is not part of this toolkit, which has those of "
            'two-dimensional boxes, masks and maps: take a model without it (SyncBN instead of '
            'MMSyncBN, boxes that are not rotated), or install a compiled mmcv 2.1.0 instead of '
            'mmcv-lite, which is then used (docs/operators.md says how).'
        )

    return not_here
