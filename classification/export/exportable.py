"""What a task says of a model so that it can be exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onnxscript import ir
from torch import nn

from .operators import Operators
from .pixels import Pixels


class Port(NamedTuple):
    """An input or an output of an exported model, as its metadata describe it.

    Attributes:
        shape: names stand for sizes that may change.
        meaning: what the values are, with units and ranges.
    """

    name: str
    shape: Sequence[int | str]
    dtype: str
    meaning: str


class Finish(NamedTuple):
    """What follows the network, as an ONNX graph.

    Attributes:
        write: (op, *values) -> outputs by name; the values are the network's outputs, then the
            images' `shape` and `size` as `pixels_graph` gives them.
        inputs: the values' names, types and shapes.
    """

    write: Callable[..., Mapping[str, ir.Value]]
    inputs: Mapping[str, tuple[str, Sequence[int | str]]]


@dataclass
class Exportable:
    """A network and what is around it.

    Attributes:
        task: 'classification', 'detection' or 'segmentation'.
        network: takes normalised images `x` (B, 3, H, W), and `shape` and `size` where
            `takes_sizes` says so, see `pixels.pixels_graph`.
        network_outputs: names of what it gives.
        outputs: of the whole model.
        pixels: from images to `x`.
        multiple: height and width of `x` are multiples of it.
        fixed_size: (height, width) of the images that the model was made for, None of any.
        preprocessing: what is left to the caller, see `exported`.
        finish: None where the network's outputs are the model's.
        operators: translations of operators to ONNX, for torch.onnx.export.
    """

    task: str
    network: nn.Module
    network_outputs: Sequence[Port]
    outputs: Sequence[Port]
    pixels: Pixels
    takes_sizes: bool = False
    multiple: int = 1
    fixed_size: tuple[int, int] | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    finish: Finish | None = None
    operators: Mapping[Any, Callable] = field(default_factory=dict)
