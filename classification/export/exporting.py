"""Export a model: make the file, compare, and only then give it its name."""

import copy
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from mmengine.config import Config

from ..engine.errors import CheckpointError, UsageError
from ..engine.extras import need
from ..engine.prediction.predictor import Predictor
from ..models.folding import fold
from ..models.ops.devices import keep_linear_layers
from . import backbones
from .check import check_equality, make_batches
from .check_network import check_network
from .equality import Differences, Unequal
from .exportable import Exportable
from .model import onnx_model
from .network import export_program
from .pictures import find_pictures
from .quantization import Calibration, quantize
from .sessions import Session, onnx_session, openvino_session, program_session, to_openvino

_SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml', 'torch-export': '.pt2'}


@dataclass
class Request:
    """What is wanted.

    Attributes:
        to: 'onnx', 'openvino' or 'torch-export'.
        out: the file; its suffix is added where it is missing.
        size: (height, width) of the images, None for any, 'usual' for what the model is made for.
        batch: number of images, None for any.
        bare: the network alone.
        backbone: the backbone alone.
        int8: folder of images for calibration, '' for none, None for float32.
        images: files and folders for the comparison; without any the test dataset's.
    """

    to: str
    out: Path
    size: Literal['usual'] | tuple[int, int] | None = 'usual'
    batch: int | None = None
    bare: bool = False
    backbone: bool = False
    int8: str | None = None
    images: Sequence[str] = ()

    @property
    def path(self) -> Path:
        """The file with its suffix."""
        suffix = _SUFFIXES[self.to]
        return self.out if self.out.suffix == suffix else self.out.with_name(self.out.name + suffix)


def export(cfg: Config, checkpoint: str, request: Request) -> Path:
    """The path of the exported file, of which it was seen that it gives what the model gives.

    Args:
        cfg: as `load_config` gives it.
        checkpoint: path or URL.

    Raises:
        CheckpointError: the checkpoint does not fit, or the exported model gives something else;
            then there is no new file.
        UsageError: the model cannot be exported in this way.
    """
    predictor = Predictor(cfg, checkpoint, device='cpu')
    model = copy.deepcopy(predictor.model)
    fold(model)
    if request.backbone:
        described = backbones.exportable(model)
    else:
        described = predictor.task.exportable(model, predictor.steps)
    size = described.fixed_size if request.size == 'usual' else request.size
    _check_size(described, request.bare, size)
    path = request.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix='.export-') as folder:
        try:
            seen = _write(Path(folder) / path.name, cfg, predictor, described, request, size)
        except Unequal as error:
            raise CheckpointError(
                f'{path} is not written, because its results differ from those of {checkpoint}: '
                f'{error}; try a fixed --size or other --images, and report it if it stays.'
            ) from None
        for file in Path(folder).iterdir():
            os.replace(file, path.parent / file.name)
    if seen.images:
        print(f'compared: {seen.images} images, {seen.objects} objects, {seen.fullest} at most')
    if seen.ties:
        print(f'from other proposals, since rounding decides in NMS: {seen.ties} objects')
    for what, difference in seen.largest.items():
        print(f'largest difference of {what}: {difference:.2g}')
    if described.task == 'detection' and not seen.objects and request.int8 is None:
        print('Nothing was found in these images: compare others, with --images.')
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')
    return path


def _check_size(described: Exportable, bare: bool, size: tuple[int, int] | None) -> None:
    """Raise UsageError where a (height, width) is not one that the exported model could have."""
    if size is None:
        return
    height, width = size
    if not bare and described.preprocessing and size != described.fixed_size:
        wanted = 'x'.join(map(str, described.fixed_size or ()))
        raise UsageError(
            f'--size {height}x{width} does not fit a classifier whose images are cropped to '
            f'{wanted}: leave it out, or change the test pipeline of the config.'
        )
    step = described.multiple
    if bare and (height % step or width % step):
        raise UsageError(
            f'--size {height}x{width} does not fit a network whose input has sides that are '
            f'multiples of {step}: give {height + -height % step}x{width + -width % step}.'
        )


def _write(
    path: Path,
    cfg: Config,
    predictor: Predictor,
    described: Exportable,
    request: Request,
    size: tuple[int, int] | None,
) -> Differences:
    """Write the file, and compare it.

    Raises:
        Unequal: it gives something else.
    """
    batch = request.batch
    batches: list[list[np.ndarray]] = []
    # What is given is looked at before the long conversion.
    if request.int8 is None:
        pictures, source = find_pictures(cfg, predictor.task, request.images)
        batches = make_batches(pictures, batch, size)
        print(f'images for the comparison: {source}', flush=True)
    if request.to == 'torch-export':
        program = export_program(described, batch, size)
        # Decomposes nothing, but inlines the regions of autocast, which cannot be saved.
        torch.export.save(program.run_decompositions({}), path)
        names = [port.name for port in described.network_outputs]
        return check_network(program_session(path, names), described, batches)
    calibration = None
    if request.int8:
        calibration = Calibration(request.int8, described.preprocessing, size, batch)
    with keep_linear_layers(request.int8 == ''):
        model = onnx_model(
            described, predictor.classes, predictor.palette, batch, size, request.bare
        )
    open_session = onnx_session
    if request.to == 'openvino':
        openvino = need('openvino', 'openvino', 'OpenVINO')
        openvino.save_model(to_openvino(model), path, compress_to_fp16=False)
        open_session = _openvino_session
    elif request.int8 is not None:
        onnx.save(quantize(model, calibration), path)
        print('8 bits change the results: measure them with tools/test.py CONFIG FILE.')
        return Differences()
    else:
        onnx.save(model, path)
    if request.bare:
        return check_network(open_session(model), described, batches)
    return check_equality(model, open_session, predictor, described, batches)


def _openvino_session(model: onnx.ModelProto) -> Session:
    return openvino_session(to_openvino(model))
