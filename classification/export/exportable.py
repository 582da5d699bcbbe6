"""What a task says of a model so that it can be exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnxscript import ir
from torch import nn

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


class Logits(NamedTuple):
    """Where the logits of a map of classes are found.

    Attributes:
        name: the value in the ONNX graph, (B, K, H, W).
        of_sample: from what the framework's model gives for an image, (K, H, W).
    """

    name: str
    of_sample: Callable[[Any], np.ndarray]


class Threshold(NamedTuple):
    """The score below which a detector leaves objects out, and how it is changed.

    Attributes:
        of_model: changes it in a model: (model, score) -> the score until now.
        of_onnx: changes it in a graph: (graph, score).
        most: number of objects that an image has at most, whatever their scores.
    """

    of_model: Callable[[Any, float], float]
    of_onnx: Callable[[onnx.ModelProto, float], None]
    most: int


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
        logits: of a segmentor, which are compared too.
        threshold: of a detector: without objects and with the most, equality is seen too.
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
    logits: Logits | None = None
    threshold: Threshold | None = None
    operators: Mapping[Any, Callable] = field(default_factory=dict)

    @property
    def most_objects(self) -> int | None:
        """Number of objects that an image has at most; None of what finds no objects."""
        return None if self.threshold is None else self.threshold.most
