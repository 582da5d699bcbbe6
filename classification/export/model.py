"""The whole model as one ONNX file: pixels, network, what follows it, and its description."""

import json
from collections.abc import Sequence

import onnx
from onnx import compose

from ..exported.description import VERSION
from ..visualization.drawing import Colour
from .exportable import Exportable, Port
from .network import export_program, to_onnx
from .operators import build
from .pixels import network_size, pixels_graph


def onnx_model(
    exportable: Exportable,
    classes: Sequence[str],
    palette: Sequence[Colour],
    batch: int | None = None,
    size: tuple[int, int] | None = None,
    bare: bool = False,
) -> onnx.ModelProto:
    """A model that needs nothing but the file.

    Args:
        exportable: what a task says of it.
        classes, palette: a name and an RGB colour for each class.
        batch: number of images, None where it may change.
        size: (height, width) of the images as given, None where it may change.
        bare: leave out pixels and what follows the network.
    """
    inner = size if bare or size is None else network_size(exportable.pixels, size)
    model = to_onnx(export_program(exportable, batch, inner), exportable)
    images: list[int | str] = [batch or 'batch', *(size or ('height', 'width'))]
    inputs, outputs = _inputs(exportable, images, bare), exportable.network_outputs
    if not bare:
        model = _between(model, exportable, images)
        outputs = exportable.outputs
    known: dict[int | str, int | str] = dict(zip(['batch', 'height', 'width'], images, strict=True))
    outputs = [
        port._replace(shape=[known.get(side, side) for side in port.shape]) for port in outputs
    ]
    values = [*model.graph.input, *model.graph.output]
    for value, port in zip(values, [*inputs, *outputs], strict=True):
        _name_sizes(value, port.shape)
    del model.graph.value_info[:]  # names of sizes that the parts invented
    preprocessing = {'caller': True} if bare else dict(exportable.preprocessing)
    for key, value in {
        'version': VERSION,
        'task': exportable.task,
        'classes': json.dumps(list(classes)),
        'palette': json.dumps([list(colour) for colour in palette]),
        'preprocessing': json.dumps(preprocessing),
        'inputs': json.dumps([port._asdict() for port in inputs]),
        'outputs': json.dumps([port._asdict() for port in outputs]),
    }.items():
        model.metadata_props.add(key=f'mila.{key}', value=value)
    model.producer_name = 'mila'
    onnx.checker.check_model(model, full_check=True)
    return model


def _inputs(exportable: Exportable, images: Sequence[int | str], bare: bool) -> list[Port]:
    batch, *size = images
    if not bare:
        meaning = 'red, green and blue of each pixel, 0 to 255'
        return [Port('images', [batch, *size, 3], 'uint8', meaning)]
    x = Port(
        'x', [batch, 3, *size], 'float32', 'normalised images, padded where the model needs it'
    )
    if not exportable.takes_sizes:
        return [x]
    return [
        x,
        Port('shape', [2], 'int64', 'height and width of the images in x, without padding'),
        Port('size', [2], 'int64', 'height and width of the images to which boxes are scaled'),
    ]


def _between(
    network: onnx.ModelProto, exportable: Exportable, images: Sequence[int | str]
) -> onnx.ModelProto:
    """The network between the graph that makes its input and the one that finishes its output."""
    batch, *size = images
    model = compose.add_prefix(
        pixels_graph(exportable.pixels, batch, size),
        'pixels/',
        rename_inputs=False,
        rename_outputs=False,
    )
    names = [value.name for value in network.graph.input]
    outputs = [value.name for value in network.graph.output]
    kept = ['shape', 'size'] if exportable.finish else []
    model = _join(model, network, names, [*kept, *outputs])
    if exportable.finish is None:
        return model
    last = compose.add_prefix(
        build(*exportable.finish), 'finish/', rename_inputs=False, rename_outputs=False
    )
    return _join(
        model, last, list(exportable.finish.inputs), [value.name for value in last.graph.output]
    )


def _join(
    first: onnx.ModelProto, second: onnx.ModelProto, names: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Two models as one, the first giving the second its inputs under the same names."""
    model = compose.merge_models(
        first, second, io_map=[(name, name) for name in names], outputs=list(outputs)
    )
    del model.opset_import[1:]  # the same one, again
    return model


def _name_sizes(value: onnx.ValueInfoProto, shape: Sequence[int | str]) -> None:
    """Give a graph's input or output the names of its sizes."""
    dims = value.type.tensor_type.shape
    del dims.dim[:]
    for size in shape:
        dim = dims.dim.add()
        if isinstance(size, int):
            dim.dim_value = size
        else:
            dim.dim_param = size
