"""What an exported file says of itself: its task, classes and what its graph takes and gives.

Its metadata (metadata_props) are texts:

    mila.version        the form of all this: 1
    mila.task           classification, detection, segmentation; or backbone
    mila.classes        JSON: a list of names
    mila.palette        JSON: an RGB colour for each class, or null
    mila.preprocessing  JSON: {} where the graph takes an image as it is; of a classifier also the
                        arguments of `ResizeAndCrop`; {"caller": true} of a bare network
    mila.inputs, mila.outputs
                        JSON: a list of {name, shape, dtype, meaning} in the graph's order

The graph takes `images`, uint8 (B, H, W, 3), RGB. It gives, in pixels of these,

    classification      scores (B, K)
    segmentation        map (B, H, W), integers
    detection           of all images one after another boxes (D, 4) as x1, y1, x2, y2, labels (D,),
                        scores (D,) and, of instances, masks (D, h, w), which are probabilities
                        within the box; counts (B,) says how many are each image's
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.errors import CheckpointError, UsageError
from ..visualization.drawing import Colour, class_colours, is_palette
from .onnx_file import OnnxFile
from .outputs import OUTPUTS
from .preprocessing import ResizeAndCrop

VERSION = '1'
_BACKBONE = 'backbone'


@dataclass(frozen=True)
class Value:
    """An input or output of a graph: its name and numpy's name of its type."""

    name: str
    dtype: str


@dataclass(frozen=True)
class Description:
    """What the metadata of a file say.

    Attributes:
        task: a key of OUTPUTS.
        classes, palette: a name and an RGB colour for each class.
        preprocessing: what is done to an image first; None where the graph takes it as it is.
        inputs, outputs: of the graph, in its order.
    """

    task: str
    classes: Sequence[str]
    palette: Sequence[Colour]
    preprocessing: ResizeAndCrop | None
    inputs: Sequence[Value]
    outputs: Sequence[Value]


def describe(file: OnnxFile) -> Description:
    """The description of a model that predicts images.

    Raises:
        CheckpointError: it is incomplete, contradicts itself, or is of another version.
        UsageError: the model is a bare network, which predicts no images.
    """
    path = file.path
    if (version := file.metadata.get('mila.version')) is None:
        raise CheckpointError(
            f'{path} was not exported by this project, since its metadata lack mila.version: give '
            'a file of tools/export.py.'
        )
    if version != VERSION:
        raise CheckpointError(
            f'{path} has the form {version[:20]} of exported files, and this version reads '
            f'{VERSION}: export it anew, or update this project.'
        )
    task = _entry(file, 'task')
    preprocessing = _json(file, 'preprocessing', dict)
    if task == _BACKBONE or preprocessing.get('caller'):
        raise UsageError(
            f'{path} is a bare network, whose input the caller prepares, and predicts no images: '
            'run it with onnxruntime, or export the whole model.'
        )
    if task not in OUTPUTS:
        raise _wrong(path, 'task', f'is none of {", ".join(OUTPUTS)}')
    classes = _json(file, 'classes', list)
    if not classes or not all(isinstance(name, str) for name in classes):
        raise _wrong(path, 'classes', 'is no list of names')
    palette = _json(file, 'palette', (list, type(None)))
    if palette is not None and (not is_palette(palette) or len(palette) < len(classes)):
        raise _wrong(path, 'palette', f'has no RGB colour for each of {len(classes)} classes')
    if preprocessing and task != 'classification':
        raise _wrong(path, 'preprocessing', f'changes images, which a model of {task} does itself')
    inputs, outputs = _values(file, 'inputs'), _values(file, 'outputs')
    if [value.name for value in inputs] != ['images']:
        raise _wrong(path, 'inputs', 'is not images alone')
    if missing := set(OUTPUTS[task]) - {value.name for value in outputs}:
        raise _wrong(path, 'outputs', f'lacks {sorted(missing)[0]}, which {task} gives')
    return Description(
        task,
        classes,
        class_colours(dict(classes=classes, palette=palette)),
        _preprocessing(path, preprocessing),
        inputs,
        outputs,
    )


def _preprocessing(path: Path, entry: dict[str, Any]) -> ResizeAndCrop | None:
    if not entry:
        return None
    if set(entry) != {'resize', 'interpolation', 'crop'}:
        raise _wrong(path, 'preprocessing', 'has not the entries resize, interpolation and crop')
    try:
        return ResizeAndCrop(**entry)
    except ValueError as error:
        raise _wrong(path, 'preprocessing', str(error)) from None


def _values(file: OnnxFile, name: str) -> list[Value]:
    entries = _json(file, name, list)
    try:
        values = [Value(str(entry['name']), str(entry['dtype'])) for entry in entries]
    except (TypeError, KeyError, IndexError):
        raise _wrong(file.path, name, 'has an entry without name and dtype') from None
    return values


def _entry(file: OnnxFile, name: str) -> str:
    try:
        return file.metadata[f'mila.{name}']
    except KeyError:
        raise _wrong(file.path, name, 'is missing') from None


def _json(file: OnnxFile, name: str, kind: type | tuple[type, ...]) -> Any:
    try:
        value = json.loads(_entry(file, name))
    except (ValueError, RecursionError):
        raise _wrong(file.path, name, 'is no JSON') from None
    if not isinstance(value, kind):
        raise _wrong(file.path, name, f'is a {type(value).__name__}')
    return value


def _wrong(path: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(f'{path} cannot be used, mila.{name} {what}: export it anew.')
