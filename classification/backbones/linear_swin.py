"""A model of the empirical study as a dense backbone: `dict(type='LinearSwin', ...)`."""

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS

from ..models.linear_swin import LinearSwin
from .dense import DenseModel


@MODELS.register_module('LinearSwin')
class LinearSwinBackbone(DenseModel, LinearSwin, BaseModule):  # type: ignore[misc]  # forward: maps
    """A model of the empirical study as a dense backbone.

    Args:
        in_channels: image channels.
        out_indices, frozen_stages, with_cp, init_cfg: see DenseModel.
        model: sizes and switches of LinearSwin.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
        **model: Any,
    ) -> None:
        super().__init__(
            out_indices, frozen_stages, with_cp, init_cfg, norm=True, in_chans=in_channels, **model
        )
