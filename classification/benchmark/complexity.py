"""Parameters and FLOPs of a config's model, part by part, as the papers' tables count them.

A FLOP is a multiply-add of a convolution or a matrix product, for one image in a test-time
forward; norms, activations, interpolation, RoIAlign and NMS are not counted. A two-stage detector
is counted with as many proposals as its test_cfg keeps, 100 of them with masks, as mmdet counts.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from prettytable import PrettyTable
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..engine.errors import UsageError
from ..engine.task import Task, task_of


def complexity(cfg: Config, shape: Sequence[int] | None = None) -> dict[str, Any]:
    """Parameters and FLOPs of a config's model.

    Args:
        cfg: a Config with `model` and `default_scope`.
        shape: (height, width) of the image; None takes the one of the task's papers.

    Returns:
        dict(shape=[h, w], params=int, flops=int, parts={name: dict(params=int, flops=int)}).

    Raises:
        UsageError: the config has no model of a known task, or the image is too small.
    """
    task = known_task(cfg)
    height, width = shape or cast(tuple[int, int], task.count_shape)  # of a known task
    if min(height, width) < 32:
        raise UsageError(f'An image of {height}x{width} is too small: give sides from 32 up.')
    # The model is built outside of `count`: many read values meanwhile (Swin's and MambaOut's
    # stochastic depth), which fake tensors do not have.
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).eval()
        task.freeze_values(model)
        inputs = task.noise_batch(cfg, model, 1, (height, width))
        counter = count(model, *inputs, values=task.reads_values(model), mode='tensor')
    counts, root = counter.get_flop_counts(), type(model).__name__
    parts = {
        name: dict(params=_params(part), flops=_flops(part, f'{root}.{name}', counts))
        for name, part in model.named_children()
    }
    return dict(
        shape=[height, width],
        params=_params(model),
        flops=counter.get_total_flops() // 2,
        parts={name: cost for name, cost in parts.items() if cost['params']},
    )


def known_task(cfg: Config) -> Task:
    """The task of a config that has a model.

    Raises:
        UsageError: it has none, or one of a task that nothing imported knows.
    """
    task = task_of(cfg)
    if 'model' not in cfg or task.count_shape is None:
        raise UsageError(
            f'{cfg.filename} has no model, or its default_scope is of a task that no package in '
            'its custom_imports knows: give a config that can be trained.'
        )
    return task


def count(model: nn.Module, *inputs: Any, values: bool = False, **kwargs: Any) -> FlopCounterMode:
    """The FlopCounterMode of a model's call; it counts a multiply-add as two.

    Fake tensors have shapes and no values: a second or two for any image, and no memory. With
    `values` the tensors are real, for models that need them. Attention runs as the matrix products
    that it is: the counter does not know PyTorch's fused operator for CPUs.
    """
    counter = FlopCounterMode(display=False)
    tensors = nullcontext() if values else FakeTensorMode(allow_non_fake_inputs=True)
    with tensors, torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(*inputs, **kwargs)
    return counter


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _flops(module: nn.Module, name: str, counts: Mapping[str, Mapping[Any, int]]) -> int:
    """Multiply-adds under `name`; heads are often run by methods, only their parts by a call."""
    if name in counts:
        return sum(counts[name].values()) // 2
    return sum(_flops(part, f'{name}.{key}', counts) for key, part in module.named_children())


def table(result: Mapping[str, Any]) -> str:
    """A result of `complexity` as text, one line per part and the total."""
    lines = PrettyTable(['part', 'parameters', 'FLOPs'], border=False, align='r')
    lines.align['part'] = 'l'
    for name, cost in [*result['parts'].items(), ('total', result)]:
        counts = f'{cost["params"] / 1e6:.3f} M', f'{cost["flops"] / 1e9:.2f} G'
        lines.add_row([name, *counts])
    height, width = result['shape']
    return f'{lines}\nOne image of {height}x{width} (height x width) pixels.'
