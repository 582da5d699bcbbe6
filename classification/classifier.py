"""Any timm model as an MMEngine classifier: the loss in training, class scores in evaluation."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from timm.data import Mixup
from torch import Tensor, nn

from .engine.errors import CheckpointError, DataError
from .engine.weights.loading import load_weights
from .models.factory import create_model
from .zoo.download import pretrained


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """A timm model with its training loss, as MMEngine's Runner trains, evaluates and saves it.

    Parameters are named `backbone.*`, so that detectors and segmentors read its checkpoints.

    Args:
        model: arguments of timm.create_model under `name` (`model_name` there), num_classes and
            whatever that model takes, such as drop_path_rate.
        label_smoothing: share of the target spread evenly over all classes.
        mixup: arguments of timm.data.Mixup except for classes and smoothing, for example
            dict(mixup_alpha=.8, cutmix_alpha=1.); None leaves images as they are.
        grad_checkpointing: compute activations again in the backward pass instead of keeping them.
        channels_last: keep images and kernels as (B, H, W, C) in memory.
        compile: compile the model, True or a dict of torch.compile's arguments.
        init_cfg: `dict(type='Pretrained', checkpoint=PATH, sha256=None, reset_head=False)`, PATH
            as `backbones.dense` has it, loaded strictly; with reset_head everything but the
            classifying layer, whose file may have another number of classes. None leaves the
            weights random: training starts from scratch.

    Raises:
        ValueError: timm has no such model, or a key of init_cfg is unknown.
    """

    ema: nn.Module | None = None  # a copy of the backbone with EMA weights, see hooks.EMA
    mesa = 0.0  # weight of the loss against the EMA model's scores, see hooks.MESA

    def __init__(
        self,
        model: dict[str, Any],
        label_smoothing: float = 0.0,
        mixup: dict[str, Any] | None = None,
        grad_checkpointing: bool = False,
        channels_last: bool = False,
        compile: bool | dict[str, Any] = False,
        data_preprocessor: dict[str, Any] | nn.Module | None = None,
        init_cfg: dict[str, Any] | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = create_model(**model)
        if grad_checkpointing:
            self.backbone.set_grad_checkpointing()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone.to(memory_format=self.memory_format)
        self.compile_options = compile if isinstance(compile, dict) else {} if compile else None
        self._compile(self.backbone)
        self.label_smoothing = label_smoothing
        # Smoothing commutes with mixing: cross_entropy smooths hard and mixed targets alike.
        self.mixup = mixup and Mixup(num_classes=self.num_classes, label_smoothing=0.0, **mixup)

    @property
    def num_classes(self) -> int:
        """Number of classes that the model scores."""
        return self.backbone.num_classes

    def attach_ema(self, backbone: nn.Module) -> None:
        """Score a backbone with EMA weights in evaluation too; it teaches where `mesa` is not 0."""
        # Not registered as a submodule: it is neither trained, nor saved or synchronised with it.
        self.__dict__['ema'] = backbone
        self._compile(backbone)

    def _compile(self, backbone: nn.Module) -> None:
        if self.compile_options is not None:
            backbone.compile(**self.compile_options)  # in place: names of parameters stay

    def forward(
        self, inputs: Tensor, targets: Tensor | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Images (B, C, H, W) and classes (B,) -> what MMEngine's `mode` asks for.

        Returns:
            'tensor': logits (B, num_classes); 'loss': dict(loss=scalar), and loss_mesa while MESA
            teaches: MMEngine trains on their sum and logs each; 'predict': one dict per image
            with scores (num_classes,), which sum to 1, with those of the EMA weights as
            ema_scores where there are any, and with its target where given.

        Raises:
            ValueError: another mode.
            DataError: an odd number of images to mix.
        """
        inputs = inputs.to(memory_format=self.memory_format)
        if mode == 'tensor':
            return self.backbone(inputs)
        if mode == 'loss':
            return self.loss(inputs, cast(Tensor, targets))
        if mode == 'predict':
            return self.predict(inputs, targets)
        raise ValueError(f"mode is 'tensor', 'loss' or 'predict', not {mode!r}.")

    def loss(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy with the smoothed and, in training, mixed targets; and MESA's part.

        Args:
            inputs: (B, C, H, W).
            targets: (B,).

        Returns:
            dict(loss=scalar), and while `mesa` is not 0 loss_mesa: `mesa` times the cross-entropy
            with the EMA model's scores of the same images, without gradient for that model (Du et
            al., "Sharpness-Aware Training for Free", NeurIPS 2022).

        Raises:
            DataError: an odd number of images to mix.
        """
        if self.mixup and self.training:
            if len(inputs) % 2:
                raise DataError(
                    f'Mixup pairs the images of a batch, which has {len(inputs)}: '
                    'give train_dataloader an even batch_size and drop_last=True.'
                )
            inputs, targets = self.mixup(inputs, targets)
        logits = self.backbone(inputs).float()
        losses = dict(loss=F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing))
        if self.mesa:
            with torch.no_grad():
                seen = cast(nn.Module, self.ema)(inputs).float().softmax(dim=1)
            losses['loss_mesa'] = self.mesa * F.cross_entropy(logits, seen)
        return losses

    def predict(self, inputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Tensor]]:
        """Class probabilities in fp32, whatever the model runs in, as `forward` says."""
        columns = dict(scores=self.backbone(inputs).float().softmax(dim=1))
        if self.ema is not None:
            columns['ema_scores'] = self.ema(inputs).float().softmax(dim=1)
        if targets is not None:
            columns['target'] = targets
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def init_weights(self) -> None:
        """Load `init_cfg`'s checkpoint; timm has initialised all else when it built the model.

        Raises:
            CheckpointError: the file is not usable or does not fit the model.
        """
        init_cfg = dict(self.init_cfg or {})
        reset_head = init_cfg.pop('reset_head', False)
        source = pretrained(init_cfg)
        if source is None:
            if init_cfg:
                raise ValueError(f"init_cfg is of type 'Pretrained', not {init_cfg.get('type')!r}.")
        elif reset_head:
            num_classes = self.num_classes
            self.backbone.reset_classifier(0)
            load_weights(self, *source, unexpected=self._head_names())
            self.backbone.reset_classifier(num_classes)
        else:
            try:
                load_weights(self, *source)
            except CheckpointError as error:
                if not any(name in str(error) for name in self._head_names()):
                    raise
                raise CheckpointError(
                    f'{str(error)[:-1]}, or set reset_head=True in init_cfg for other classes.'
                ) from None
        self._is_init = True

    def _head_names(self) -> list[str]:
        """Beginnings of the names of the classifying layer's parameters."""
        heads = self.backbone.default_cfg['classifier']
        return [f'backbone.{head}.' for head in ([heads] if isinstance(heads, str) else heads)]
