"""export/operators.py: graphs written by hand, run in ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest

from classification.export.operators import IR_VERSION, OPSET, build


def test_a_graph():
    """Numpy values become constants of their own type; names of sizes stay."""

    def write(op, x, n):
        return dict(y=op.Mul(op.Add(x, np.float32(1)), np.array([2, 3], np.float32)), m=op.Neg(n))

    model = build(write, {'x': ('float32', ['rows', 2]), 'n': ('int64', [2])})
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == IR_VERSION
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', OPSET)]
    rows, columns = model.graph.input[0].type.tensor_type.shape.dim
    assert (rows.dim_param, columns.dim_value) == ('rows', 2)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [value.name for value in session.get_outputs()] == ['y', 'm']
    x, n = np.array([[0, 1], [2, 3], [4, 5]], np.float32), np.array([7, -8])
    y, m = session.run(None, {'x': x, 'n': n})
    assert (y == (x + 1) * [2, 3]).all() and y.dtype == np.float32
    assert (m == -n).all()


@pytest.mark.parametrize('dtype', [np.int32, np.int64, np.float32, np.float64, np.uint8])
def test_constants_keep_their_type(dtype):
    model = build(lambda op, x: dict(y=op.Identity(dtype(3))), {'x': ('uint8', [1])})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (y,) = session.run(None, {'x': np.zeros(1, np.uint8)})
    assert y == 3 and y.dtype == dtype and y.shape == ()
