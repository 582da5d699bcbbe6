"""Weights and activations of 8 bits, by ONNX Runtime's own tools."""

import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from tqdm import tqdm

from ..engine.prediction.sources import find_sources
from ..exported.preprocessing import ResizeAndCrop

_MOST_IMAGES = 100
_WEIGHED = {'Conv': 1, 'MatMul': 1, 'Gemm': 1}  # operator -> which input is its weight


class Calibration(CalibrationDataReader):
    """The images of a folder, one at a time, as a model takes them.

    Args:
        folder: searched in depth; the first 100 images are taken.
        preprocessing: what is left to the caller, see `Exportable`.
        size: (height, width) that the model takes alone, None where it takes any.
        batch: number of images that it takes alone, None where it takes any.

    Raises:
        UsageError: there are no images.
    """

    def __init__(
        self,
        folder: str,
        preprocessing: Mapping[str, Any],
        size: tuple[int, int] | None,
        batch: int | None,
    ):
        found = find_sources([folder])
        count = min(found.count or _MOST_IMAGES, _MOST_IMAGES)
        prepare = ResizeAndCrop(**preprocessing) if preprocessing else None

        def images() -> Iterator[dict[str, np.ndarray]]:
            for source in tqdm(islice(found.sources, count), 'calibrate', count, unit='image'):
                image = source.read()
                if prepare:
                    image = prepare(image)
                elif size:
                    image = np.asarray(Image.fromarray(image).resize(size[::-1]))
                yield {'images': np.stack([image] * (batch or 1))}

        self._images = images()

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next image, None at the end; the name is ONNX Runtime's."""
        return next(self._images, None)


def quantize(model: onnx.ModelProto, calibration: CalibrationDataReader | None) -> onnx.ModelProto:
    """A graph whose convolutions and linear layers compute with integers of 8 bits.

    Products of two activations, as in attention, stay in float32: they lose most.

    Args:
        calibration: images by which the activations' ranges are found, once and for all; without
            it only linear layers are changed, and ranges are found while the model runs; the
            graph must be made with `keep_linear_layers` then.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, result = (str(Path(folder) / f'{i}.onnx') for i in range(3))
        onnx.save(model, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        constants = _constants(graph)
        excluded = [
            node.name
            for node in graph.node
            if node.op_type in _WEIGHED and node.input[_WEIGHED[node.op_type]] not in constants
        ]
        options: dict[str, Any] = dict(
            per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=excluded
        )
        if calibration is None:
            quantize_dynamic(prepared, result, op_types_to_quantize=['MatMul', 'Gemm'], **options)
        else:
            quantize_static(
                prepared,
                result,
                calibration,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*_WEIGHED],
                activation_type=QuantType.QUInt8,
                **options,
            )
        quantized = onnx.load(result)
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    return quantized


def _constants(graph: onnx.GraphProto) -> set[str]:
    made = {node.output[0] for node in graph.node if node.op_type == 'Constant'}
    return made | {tensor.name for tensor in graph.initializer}
