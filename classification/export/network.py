"""A network alone: as PyTorch's program for any size, and that as ONNX."""

from collections.abc import Sequence

import onnx
import torch
from torch.export import Dim, ExportedProgram

from .exportable import Exportable
from .operators import IR_VERSION, OPSET


def export_program(
    exportable: Exportable, batch: int | None, size: tuple[int, int] | None
) -> ExportedProgram:
    """The network as a program without Python.

    Args:
        exportable: its network is in evaluation mode.
        batch, size: number of images, and (height, width) of `x`; None where they may change.
    """
    multiple = exportable.multiple
    # Not 1 and not square where sizes may change: what is equal by chance is taken to be always.
    height, width = size or (multiple * -(-96 // multiple), multiple * -(-160 // multiple))
    x = torch.randn(batch or 2, 3, height, width)
    changing = {}
    if batch is None:
        changing[0] = Dim('batch', min=1)
    if size is None:
        changing[2] = multiple * Dim('height', min=1) if multiple > 1 else Dim.DYNAMIC
        changing[3] = multiple * Dim('width', min=1) if multiple > 1 else Dim.DYNAMIC
    inputs, shapes = [x], [changing]
    if exportable.takes_sizes:
        # Two tensors, for one that is given twice is taken to be one input.
        inputs += [torch.tensor([height, width]), torch.tensor([2 * height, 3 * width])]
        shapes += [{}, {}]
    with torch.no_grad():
        return torch.export.export(
            exportable.network, tuple(inputs), dynamic_shapes=tuple(shapes), strict=False
        )


def to_onnx(program: ExportedProgram, exportable: Exportable) -> onnx.ModelProto:
    """A program as an ONNX graph with the inputs `x`, or `x`, `shape` and `size`."""
    converted = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        custom_translation_table=dict(exportable.operators),
        input_names=input_names(exportable),
        output_names=[port.name for port in exportable.network_outputs],
        verbose=False,
    )
    assert converted is not None  # it is where no file is asked for
    model = converted.model_proto
    model.ir_version = IR_VERSION
    return model


def input_names(exportable: Exportable) -> Sequence[str]:
    """The network's inputs."""
    return ['x', 'shape', 'size'] if exportable.takes_sizes else ['x']
