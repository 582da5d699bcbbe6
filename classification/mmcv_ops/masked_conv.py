"""The two halves of a convolution at some pixels only (guided anchoring, Wang et al., CVPR 2019).

mmcv multiplies with the kernel between them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Collect what the kernel covers at K pixels.

    Args:
        im: (1, C, H, W).
        mask_h_idx: (K,) rows.
        mask_w_idx: (K,) columns.
        col: (C * kernel_h * kernel_w, K), filled.
    """
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, rows, columns].view_as(col))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write values (channels, K) to K pixels of `im` (1, channels, height, width)."""
    im[0, :, mask_h_idx, mask_w_idx] = col
