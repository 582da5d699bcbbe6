"""PlainMamba with its adapter as a dense backbone: `dict(type='PlainMambaAdapter', arch='l1')`."""

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ..engine.weights.loading import load_weights
from ..rivals.plain import Size
from ..rivals.plainmamba_adapter import PLAINMAMBA_ADAPTER_ARCHS, PlainMambaAdapter
from ..zoo.download import pretrained
from .dense import DenseModel

ADAPTER = ('spm.', 'level_embed', 'interactions.', 'up.', 'ad_norm')  # not in classifiers' files
CLASSIFIER = ('ln1.', 'head.')


@MODELS.register_module('PlainMambaAdapter')
class PlainMambaAdapterBackbone(DenseModel, PlainMambaAdapter, BaseModule):
    """PlainMamba with its adapter as a dense backbone, for images with sides of multiples of 32.

    Without the adapter PlainMamba is a TimmBackbone, with four maps of one size.

    Args:
        arch: 'l1', 'l2', 'l3', or a dict of PlainMambaAdapter's arguments.
        in_channels: image channels.
        img_size: images for which the positions are made, as in the file to be loaded.
        drop_path_rate: stochastic depth of the last layer.
        with_cp, init_cfg: see DenseModel; the file may be a classifier's, without an adapter.

    Raises:
        ValueError: an unknown arch.
    """

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'l1',
        in_channels: int = 3,
        img_size: int | Size = 224,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(arch, str) and arch not in PLAINMAMBA_ADAPTER_ARCHS:
            raise ValueError(f'arch {arch!r} is none of {", ".join(PLAINMAMBA_ADAPTER_ARCHS)}.')
        super().__init__(
            (0, 1, 2, 3),
            -1,
            with_cp,
            init_cfg,
            norm=False,
            in_chans=in_channels,
            img_size=img_size,
            drop_path_rate=drop_path_rate,
            **(PLAINMAMBA_ADAPTER_ARCHS[arch] if isinstance(arch, str) else arch),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Images (B, C, H, W) -> maps (B, C', H / stride, W / stride) at strides 4, 8, 16, 32."""
        return tuple(y.contiguous() for y in self.maps(x))

    def init_weights(self) -> None:
        """See DenseModel; the adapter may be missing in the file.

        Raises:
            CheckpointError: the file does not fit, or is none.
        """
        source = pretrained(self.init_cfg)
        if source is None:
            super().init_weights()
        else:
            load_weights(self, *source, missing=ADAPTER, unexpected=CLASSIFIER)
        self._is_init = True
