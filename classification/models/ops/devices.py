"""When operators of our own may stand in for PyTorch's, and when only PyTorch's may."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_HAS_TRITON = importlib.util.find_spec('triton') is not None
_KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_KEEP_LINEAR_LAYERS = ContextVar('_KEEP_LINEAR_LAYERS', default=False)
_PLAIN_MODULES = (nn.Conv2d, nn.Linear, nn.LayerNorm)


def exporting() -> bool:
    """Whether the model becomes a graph for other runtimes, which know PyTorch's operators alone.

    That is in torch.export (and the ONNX exporter above it) and torch.jit.trace, not in
    torch.compile, whose graphs run here and take this project's operators whole.
    """
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def has_kernels(x: Tensor) -> bool:
    """Whether the operators written in Triton compute on x: on CUDA, below double precision."""
    return x.is_cuda and _HAS_TRITON and x.dtype in _KERNEL_DTYPES and not exporting()


def becomes_a_graph(x: Tensor) -> bool:
    """Whether x is compiled or exported, and linear layers may become 1x1 convolutions there."""
    compiled = torch.compiler.is_compiling() and not has_kernels(x)
    return (compiled or exporting()) and not _KEEP_LINEAR_LAYERS.get()


@contextmanager
def keep_linear_layers(keep: bool = True) -> Iterator[None]:
    """Where `keep`, linear layers stay matrix products in graphs that are made in here."""
    token = _KEEP_LINEAR_LAYERS.set(keep)
    try:
        yield
    finally:
        _KEEP_LINEAR_LAYERS.reset(token)


def is_plain(*modules: nn.Module, kinds: tuple[type, ...] = _PLAIN_MODULES) -> bool:
    """Whether nothing but their weights matters of these modules, each of one of the kinds.

    The usual kinds are convolutions, linear layers and layer norms. An adapter in a layer's place,
    a parametrisation or a hook must have its effect: such modules are called, not read.
    """
    return all(
        type(module) in kinds
        and not (module._forward_hooks or module._forward_pre_hooks)
        and not (module._backward_hooks or module._backward_pre_hooks)
        for module in modules
    )


def computes_now(x: Tensor) -> bool:
    """Whether x is a tensor with data on a CPU that nobody differentiates, traces or compiles."""
    return (
        type(x) is Tensor
        and x.device.type == 'cpu'
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not exporting()
    )
