"""An ONNX graph as a function, in one of the runtimes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from ..engine.extras import need

Session = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def onnx_session(model: onnx.ModelProto) -> Session:
    """Inputs -> outputs by name, in ONNX Runtime on the CPU, with as many threads as PyTorch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    names = [value.name for value in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def to_openvino(model: onnx.ModelProto) -> Any:
    """An OpenVINO model with the graph's metadata as its runtime info.

    Raises:
        UsageError: OpenVINO is not installed.
    """
    openvino = need('openvino', 'openvino', 'OpenVINO')
    converted = openvino.Core().read_model(model.SerializeToString())
    for entry in model.metadata_props:
        converted.set_rt_info(entry.value, ['mila', entry.key.removeprefix('mila.')])
    return converted


def openvino_session(model: Any, precision: str = 'f32') -> Session:
    """Inputs -> outputs by name, in OpenVINO on the CPU, with as many threads as PyTorch.

    Args:
        model: an OpenVINO model, or the path of one.
        precision: 'f32', or 'bf16', which a CPU without bfloat16 computes in float32.
    """
    openvino = need('openvino', 'openvino', 'OpenVINO')
    options = {
        'INFERENCE_PRECISION_HINT': precision,
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, 'CPU', options)

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = compiled(dict(inputs))
        return {port.any_name: np.array(values) for port, values in found.items()}

    return run


def program_session(path: Path, names: Sequence[str]) -> Session:
    """Inputs -> outputs by name, of a program that torch.export.save wrote.

    Args:
        names: of the outputs.
    """
    return module_session(torch.export.load(path).module(), names)


def module_session(module: Callable[..., Any], names: Sequence[str]) -> Session:
    """Inputs -> outputs by name, of what takes tensors in the order of the inputs.

    Args:
        names: of the outputs.
    """

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.no_grad():
            found = module(*map(torch.from_numpy, inputs.values()))
        found = found if isinstance(found, tuple) else (found,)
        return {name: value.numpy() for name, value in zip(names, found, strict=True)}

    return run
