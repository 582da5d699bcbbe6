"""VMamba as a dense backbone: `dict(type='VMamba', arch='tiny', ...)`."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS

from ..rivals.vmamba import VMAMBA_ARCHS, VMamba
from .dense import DenseModel, resolve_arch


@MODELS.register_module('VMamba')
class VMambaBackbone(DenseModel, VMamba, BaseModule):  # type: ignore[misc]  # forward: maps
    """VMamba as a dense backbone.

    Args:
        arch: 'tiny', 'tiny_s2l5', 'small', 'base', or a dict with embed_dim, depths, ssm_ratio (and
            mlp_ratio).
        in_channels: image channels.
        drop_path_rate: stochastic depth of the last block.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
    """

    output_norm = 'outnorm{}'  # as in the released detectors

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'tiny',
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            out_indices,
            frozen_stages,
            with_cp,
            init_cfg,
            norm=True,
            in_chans=in_channels,
            drop_path_rate=drop_path_rate,
            **resolve_arch(arch, VMAMBA_ARCHS),
        )
