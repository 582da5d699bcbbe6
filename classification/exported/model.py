"""A model in one .onnx file, which ONNX Runtime runs."""

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.errors import CheckpointError, DataError, UsageError, one_line
from ..engine.extras import need
from ..engine.machine.ranks import local_rank
from ..engine.prediction.base import ImagePredictor, Prepared
from ..formats import FORMATS
from ..results import Result
from .description import Value, describe
from .onnx_file import OnnxFile, read_onnx
from .outputs import MASKS, OUTPUTS, to_results

# ONNX Runtime's names of types -> numpy's.
_TYPES = {
    'tensor(uint8)': 'uint8',
    'tensor(int32)': 'int32',
    'tensor(int64)': 'int64',
    'tensor(float16)': 'float16',
    'tensor(float)': 'float32',
    'tensor(double)': 'float64',
}
_LARGEST_BATCH = 1024  # images that a graph may ask for at one time
_CPU, _GPU = 'CPUExecutionProvider', 'CUDAExecutionProvider'


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a path is that of an exported model, by its suffix."""
    return os.fspath(path).lower().endswith('.onnx')


def load(
    path: str | os.PathLike,
    device: str | None = None,
    tile: int | None = None,
    task: str | None = None,
) -> 'ExportedModel':
    """The model of a file that tools/export.py has written.

    Args:
        path: the file; nothing else is read.
        device, tile: as `ExportedModel`.
        task: 'classification', 'detection' or 'segmentation', which it must be; None takes any.

    Raises:
        CheckpointError: the file cannot be read, needs other files or operators that are no part
            of ONNX, lacks what an export has, contradicts itself, or is of another version.
        UsageError: it is a bare network, which predicts no images, or of another task; or as
            `ExportedModel`.
    """
    model = ExportedModel(read_onnx(path), device, tile)
    if task not in (None, model.task):
        raise UsageError(f'{path} is a model of {model.task}, not {task}: load it with its own.')
    return model


class ExportedModel(ImagePredictor):
    """An exported model, which predicts images as the one that it was exported from.

    Args:
        file: as `read_onnx` gives it.
        device: 'cpu', 'cuda' or one GPU, such as 'cuda:1'; None takes a GPU where the installed
            ONNX Runtime can.
        tile: as `ImagePredictor`.

    A model may be called by several threads.

    Attributes:
        task: 'classification', 'detection' or 'segmentation'.
        classes: names of the classes.
        palette: an RGB colour for each.

    Raises:
        CheckpointError: the graph does not run, or is not what the metadata say.
        UsageError: it predicts no images; the device or the tiles are not possible; or there is
            no ONNX Runtime.
    """

    def __init__(self, file: OnnxFile, device: str | None = None, tile: int | None = None):
        described = describe(file)
        self.task = described.task
        super().__init__(FORMATS[self.task], tile, can_merge=self.task != 'classification')
        self.path = file.path
        self._fingerprint = hashlib.sha256(file.content).hexdigest()
        self.classes, self.palette = described.classes, described.palette
        self._preprocessing = described.preprocessing
        self._session = _session(file, device)
        for name, values, found in (
            ('inputs', described.inputs, self._session.get_inputs()),
            ('outputs', described.outputs, self._session.get_outputs()),
        ):
            if [Value(value.name, _TYPES.get(value.type, value.type)) for value in found] != values:
                raise self._contradiction(f'its graph has other {name} than mila.{name} says')
        kinds = OUTPUTS[self.task]
        names = {value.name: value.dtype for value in described.outputs}
        self._names = [*kinds, *({MASKS} & set(names) if self.task == 'detection' else ())]
        for name in self._names:
            if np.dtype(names[name]).kind not in kinds.get(name, 'f'):
                raise self._contradiction(f'{name} are no {names[name]}')
        self._batch, *size = self._input_shape(described.inputs[0])
        self._size: tuple[int | None, ...] = tuple(size)

    def _input_shape(self, value: Value) -> Sequence[int | None]:
        """(batch, height, width) of the graph's input, None where any is taken."""
        shape = self._session.get_inputs()[0].shape
        if value.dtype != 'uint8' or len(shape) != 4 or shape[3] != 3:
            raise self._contradiction('its input is no uint8 (B, H, W, 3)')
        batch, *size = [side if isinstance(side, int) else None for side in shape[:3]]
        if batch is not None and not 0 < batch <= _LARGEST_BATCH:
            raise CheckpointError(
                f'{self.path} takes {batch} images at a time, not 1 to {_LARGEST_BATCH}: export it '
                'for fewer, or for any number.'
            )
        crop = self._preprocessing.crop if self._preprocessing else size
        if any(side not in (None, wanted) for side, wanted in zip(size, crop, strict=True)):
            raise self._contradiction('its images are not of the size that is cropped')
        return batch, *size

    def _contradiction(self, what: str) -> CheckpointError:
        return CheckpointError(f'{self.path} contradicts itself, {what}: export it anew.')

    def fingerprint(self) -> str:
        """As `ImagePredictor`."""
        return self._fingerprint

    def _prepare(self, picture: np.ndarray, path: str) -> Prepared:
        """As `ImagePredictor`; an image of a size that the graph does not take is a DataError."""
        image = self._preprocessing(picture) if self._preprocessing else picture
        for side, wanted in zip(image.shape, self._size, strict=False):
            if wanted not in (None, side):
                height, width = (side or 'any' for side in self._size)
                raise DataError(
                    f'{path or "A tile"} is {image.shape[1]}x{image.shape[0]} pixels, and '
                    f'{self.path} takes {width}x{height} alone: resize it, or export the model '
                    'for images of any size.'
                )
        return Prepared(picture, image, image.shape)

    def _predict(self, batch: Sequence[Prepared]) -> list[Result]:
        step = self._batch or len(batch)
        results = []
        for start in range(0, len(batch), step):
            results += self._run(batch[start : start + step])
        return results

    def _run(self, batch: Sequence[Prepared]) -> list[Result]:
        given = len(batch)
        # A graph of so many images is given the last one again.
        batch = [*batch, *[batch[-1]] * ((self._batch or given) - given)]
        images = np.stack([prepared.data for prepared in batch])
        try:
            values = self._session.run(self._names, {'images': images})
        except Exception as error:  # ONNX Runtime's own have no common class
            raise CheckpointError(
                f'{self.path} fails on images of {images.shape[2]}x{images.shape[1]} pixels '
                f'({one_line(error, 200)}): try another size, or export it anew.'
            ) from error
        outputs = dict(zip(self._names, values, strict=True))
        pictures = [prepared.picture for prepared in batch]
        try:
            results = to_results(self.task, outputs, pictures, self.classes, self.palette)
        except ValueError as error:
            raise CheckpointError(f'{self.path} {error}: export it anew.') from None
        return results[:given]


def _session(file: OnnxFile, device: str | None) -> Any:
    """ONNX Runtime's session of a file's bytes.

    Raises:
        CheckpointError: ONNX Runtime does not take them.
        UsageError: it is not there, or has no such device.
    """
    runtime = need('onnxruntime', 'onnxruntime', 'An exported model')
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is an exception as well
    if (threads := os.environ.get('OMP_NUM_THREADS', '')).isdecimal():  # else it takes all cores
        options.intra_op_num_threads = int(threads)
    # Bytes may also be of another format, at which `read_onnx` has not looked.
    options.add_session_config_entry('session.load_model_format', 'ONNX')
    has_gpu = _GPU in runtime.get_available_providers()
    if device is not None and not re.fullmatch(r'cpu|cuda(:\d{1,3})?', device):
        raise UsageError(f'The device of an exported model is cpu, cuda or cuda:1, not {device}.')
    wants_gpu = has_gpu if device is None else device != 'cpu'
    providers: list[Any] = [_CPU]
    if wants_gpu:
        index = int((device or '').partition(':')[2] or local_rank())
        providers = [(_GPU, {'device_id': index}), _CPU] if has_gpu else providers
    try:
        session = runtime.InferenceSession(file.content, options, providers=providers)
    except Exception as error:  # ONNX Runtime's own have no common class
        raise CheckpointError(
            f'{file.path} cannot be run by ONNX Runtime ({one_line(error, 200)}): export it anew, '
            'or update onnxruntime.'
        ) from error
    if device not in (None, 'cpu') and _GPU not in session.get_providers():
        raise UsageError(
            f'{device} cannot be used by the installed ONNX Runtime: install onnxruntime-gpu, or '
            'take the cpu.'
        )
    return session
