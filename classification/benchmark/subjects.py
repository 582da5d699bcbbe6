"""What can be timed: a timm model, or the whole model of a config."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from ..backbones import TimmBackbone
from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..models.factory import any_size, create_model
from ..models.mila import MILA
from .complexity import complexity, count, known_task
from .official import OfficialMILA

# How torch, timm and the models refuse what they cannot do, or have no memory for.
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)


OFFICIAL = '@official'  # behind a MILA's name: in the official code's order of operations


class Subject(Protocol):
    """A model with random inputs, which can be run forward and trained.

    Attributes:
        casts: whether it computes in half precision by weights of that dtype, else by autocast.
        module: the whole model.
        compiled_part: the module of it that torch.compile takes.
        training_forwards: FLOPs of a training step over those of a test-time forward, None where
            the two cannot be compared.
    """

    casts: bool
    module: nn.Module
    compiled_part: nn.Module
    training_forwards: int | None

    def inputs(self, batch: int, size: tuple[int, int], training: bool) -> list:
        """Random inputs for `batch` images of (height, width); to train, with random truth."""

    def infer(self, *inputs: Any) -> Any:
        """The raw outputs."""

    def loss(self, *inputs: Any) -> Tensor:
        """A loss, from inputs to train on."""

    def flops(self, size: tuple[int, int]) -> int:
        """Multiply-adds of a test-time forward of one image of (height, width)."""


class TimmSubject:
    """A timm model, as a classifier or as the source of its feature maps.

    Args:
        name: of the model in timm; with OFFICIAL behind it, a MILA in the official order.
        dense: its feature maps.

    Raises:
        ValueError: timm has no such model, it gives no maps, or it has no official code.
    """

    casts = True
    training_forwards: int | None = 3  # the backward pass costs two forwards

    def __init__(self, name: str, dense: bool) -> None:
        if name.endswith(OFFICIAL):
            name = name.removesuffix(OFFICIAL)
            model = create_model(name)
            if not isinstance(model, MILA):
                raise ValueError(f'{name} is no MILA, whose official code is known here.')
            module: nn.Module = OfficialMILA(model, dense)
        else:
            module = TimmBackbone(name) if dense else create_model(name, **any_size(name))
        self.module = self.compiled_part = module

    def inputs(self, batch: int, size: tuple[int, int], training: bool) -> list[Tensor]:
        """Images (B, 3, H, W)."""
        return [torch.randn(batch, 3, *size)]

    def infer(self, images: Tensor) -> Tensor | Sequence[Tensor]:
        """Logits (B, num_classes) or maps (B, C_i, H_i, W_i)."""
        return self.module(images)

    def loss(self, images: Tensor) -> Tensor:
        """A scalar: any loss will do for the time it takes."""
        outputs = self.module(images)
        outputs = [outputs] if isinstance(outputs, Tensor) else outputs
        return sum(y.float().square().mean() for y in outputs)

    def flops(self, size: tuple[int, int]) -> int:
        """See Subject."""
        return count(self.module, torch.empty(1, 3, *size)).get_total_flops() // 2


class ConfigSubject:
    """The model of a config: a classifier, Mask R-CNN or UperNet, without its weights' file.

    Args:
        path: of the config.

    Raises:
        UsageError: the config has no model of a known task.
    """

    casts = False

    def __init__(self, path: str) -> None:
        self.cfg = load_config(path)
        self.task = known_task(self.cfg)
        model = self.cfg.model.copy()
        (model.get('backbone') or model).pop('init_cfg', None)
        with DefaultScope.overwrite_default_scope(self.cfg.default_scope):
            self.module = revert_sync_batchnorm(MODELS.build(model))
        self.compiled_part = self.module.backbone
        self.training_forwards = self.task.training_forwards

    def inputs(self, batch: int, size: tuple[int, int], training: bool) -> list:
        """Random inputs and, to train, random truth."""
        return self.task.noise_batch(self.cfg, self.module, batch, size, training)

    def infer(self, *inputs: Any) -> Any:
        """Raw outputs of the heads."""
        return self.module(*inputs, mode='tensor')

    def loss(self, *inputs: Any) -> Tensor:
        """The sum of the model's losses."""
        return self.module.parse_losses(self.module(*inputs, mode='loss'))[0]

    def flops(self, size: tuple[int, int]) -> int:
        """See Subject."""
        return complexity(self.cfg, size)['flops']


def build_subject(name: str, dense: bool = False) -> Subject:
    """The model of a name in timm (as a source of maps if `dense`), or of a config's path.

    Raises:
        UsageError: there is none, or its config does not fit it.
    """
    try:
        return ConfigSubject(name) if name.endswith('.py') else TimmSubject(name, dense)
    except ValueError as error:
        raise UsageError(f'{name} cannot be built: {error}') from error
