"""Classifiers in other runtimes: torch.export and ONNX, for batches and sizes not exported with."""

import pytest
import torch

from classification.models import MILA
from classification.models.ops import rotary
from classification.rivals.vmamba import VMamba
from tests.helpers import images, relative_error
from tests.small_models import SIZES, build

# What differs in a graph: tables, scans, interpolated positions, chunks, gates.
FAST = ('mila_tiny', 'vmamba_tiny', 'study_ape', 'study_causal', 'study_mamba')
CASES = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
    for name in ('mila_tiny', 'vmamba_tiny', *(name for name in SIZES if name.startswith('study')))
]
# Of the rivals one: graphs of most hold for some sizes alone, of as many windows or tiles.
CASES.append(pytest.param('ravlt_tiny', marks=pytest.mark.slow))
OTHER_SIZES = [(1, 64, 96), (3, 65, 97), (1, 160, 128), (2, 127, 40)]
DYNAMIC = ({axis: torch.export.Dim.DYNAMIC for axis in (0, 2, 3)},)


@pytest.mark.parametrize('name', CASES)
def test_torch_export(name):
    model = build(name)
    kept = set(rotary._TABLES)
    with torch.no_grad():
        program = torch.export.export(model, (images(),), dynamic_shapes=DYNAMIC, strict=False)
        assert set(rotary._TABLES) == kept  # a table of the trace would outlive it
        calls = {str(n.target) for n in program.graph.nodes if n.op == 'call_function'}
        assert not any('mila' in call for call in calls)
        values = [node.meta.get('val') for node in program.graph.nodes]
        assert not any(v.is_complex() for v in values if isinstance(v, torch.Tensor))
        module = program.module()
        for batch, height, width in OTHER_SIZES:
            x = images(height, width, batch)
            torch.testing.assert_close(module(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
@pytest.mark.parametrize(
    'name',
    [
        'mila_tiny',
        'vmamba_tiny',
        *(pytest.param(n, marks=pytest.mark.slow) for n in SIZES if n.startswith('study')),
    ],
)
def test_onnx(name):
    pytest.importorskip('onnxscript')
    onnxruntime = pytest.importorskip('onnxruntime')
    model = build(name)
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            (images(),),
            dynamo=True,
            opset_version=18,
            dynamic_shapes=DYNAMIC,
            input_names=['images'],
            verbose=False,
        )
        graph = program.model_proto
        assert {node.domain for node in graph.graph.node} == {''}
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=['CPUExecutionProvider']
        )
        for batch, height, width in OTHER_SIZES:
            x = images(height, width, batch)
            (y,) = session.run(None, {'images': x.numpy()})
            assert relative_error(torch.from_numpy(y), model(x)) < 1e-4


@pytest.mark.parametrize('cls', [MILA, VMamba])
def test_a_graph_refuses_images_that_the_model_refuses(cls):
    model = build('mila_tiny' if cls is MILA else 'vmamba_tiny')
    with torch.no_grad():
        program = torch.export.export(model, (images(),), dynamic_shapes=DYNAMIC, strict=False)
        with pytest.raises(AssertionError, match='Guard failed'):
            program.module()(images(31, 64))
