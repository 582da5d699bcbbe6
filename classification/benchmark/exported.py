"""A network in the forms that it is exported to, as something that can be timed."""

from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader
from torch import Tensor, nn

from ..export.exportable import Exportable, Port
from ..export.network import export_program, to_onnx
from ..export.pixels import Pixels
from ..export.quantization import quantize
from ..export.sessions import onnx_session, openvino_session, to_openvino
from ..models.ops.devices import keep_linear_layers

# In ONNX Runtime and OpenVINO; with 8 bits, ranges of activations measured beforehand or each time.
EXPORTED_MODES = ('onnxruntime', 'openvino', 'openvino-bf16', 'int8', 'int8-dynamic')


def exported(
    network: nn.Module, mode: str, batch: int, size: tuple[int, int]
) -> tuple[Callable[[Tensor], object], int]:
    """(what runs images (B, 3, H, W), bytes of the exported graph).

    Args:
        network: gives a tensor or several, in evaluation mode and float32.
        mode: one of EXPORTED_MODES.
        batch, size: all that the exported network takes.
    """
    with keep_linear_layers(mode == 'int8-dynamic'):
        model = _graph(network, batch, size)
    if mode in ('int8', 'int8-dynamic'):
        model = quantize(model, _Noise(batch, size) if mode == 'int8' else None)
    if mode.startswith('openvino'):
        precision = 'bf16' if mode == 'openvino-bf16' else 'f32'
        session = openvino_session(to_openvino(model), precision)
    else:
        session = onnx_session(model)
    return lambda images: session({'x': images.numpy()}), model.ByteSize()


def _graph(network: nn.Module, batch: int, size: tuple[int, int]) -> onnx.ModelProto:
    with torch.no_grad():
        found = network(torch.zeros(1, 3, *size))
    count = 1 if isinstance(found, Tensor) else len(found)
    ports = [Port(f'y{i}', [], 'float32', '') for i in range(count)]
    described = Exportable(
        task='backbone',
        network=network,
        network_outputs=ports,
        outputs=ports,
        pixels=Pixels(),
    )
    return to_onnx(export_program(described, batch, size), described)


class _Noise(CalibrationDataReader):
    """Random images for calibration: what is timed depends on their ranges in nothing."""

    def __init__(self, batch: int, size: tuple[int, int]):
        rng = np.random.default_rng(0)
        self._left = [rng.standard_normal((batch, 3, *size), np.float32) for _ in range(2)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return {'x': self._left.pop()} if self._left else None
