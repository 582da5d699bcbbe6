"""Writing ONNX graphs by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxscript
from onnxscript import ir

OPSET = 18
IR_VERSION = 10  # what runtimes of the last years read
_DTYPES = {
    'uint8': ir.DataType.UINT8,
    'int64': ir.DataType.INT64,
    'float32': ir.DataType.FLOAT,
}


class Operators:
    """`op.Add(x, np.float32(1))` adds a node to a graph; numpy values become constants.

    Args:
        builder: of the graph.
    """

    def __init__(self, builder: onnxscript.GraphBuilder):
        self._builder = builder

    def __getattr__(self, name: str) -> Callable[..., ir.Value]:
        operator = getattr(self._builder.op, name)

        def add(*inputs: Any, **attributes: Any) -> ir.Value:
            return operator(*[self._value(value) for value in inputs], **attributes)

        return add

    def _value(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray | np.generic):
            return value
        return self._builder.op.Constant(value=ir.tensor(np.asarray(value)))


def build(
    write: Callable[..., Mapping[str, ir.Value]],
    inputs: Mapping[str, tuple[str, Sequence[int | str]]],
) -> onnx.ModelProto:
    """The model that `write(op, *inputs)` describes.

    Args:
        write: gives the outputs by name.
        inputs: name -> (type, shape), names standing for sizes that may change.
    """
    graph = ir.Graph((), (), nodes=[], opset_imports={'': OPSET}, name='graph')
    builder = onnxscript.GraphBuilder(graph)
    values = [
        builder.input(name, _DTYPES[dtype], list(shape)) for name, (dtype, shape) in inputs.items()
    ]
    for name, value in write(Operators(builder), *values).items():
        builder.add_output(value, name)
    model = ir.to_proto(ir.Model(graph, ir_version=IR_VERSION))
    return onnx.shape_inference.infer_shapes(model)
