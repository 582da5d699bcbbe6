"""An exported model beside the model itself, on real images."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from PIL import Image

from ..engine.prediction.predictor import Predictor
from ..exported.preprocessing import ResizeAndCrop
from .equality import Differences, results_or_differ, run_or_differ
from .exportable import Exportable, Threshold
from .sessions import Session


def check_equality(
    model: onnx.ModelProto,
    open_session: Callable[[onnx.ModelProto], Session],
    predictor: Predictor,
    exportable: Exportable,
    batches: Sequence[Sequence[np.ndarray]],
) -> Differences:
    """The largest differences between a graph in a runtime and the model in PyTorch.

    Args:
        model: as `model.onnx_model` makes it.
        open_session: the runtime.
        predictor: gives what is expected.
        exportable: what the graph was made from.
        batches: images (H, W, 3) uint8 in RGB, those of a batch of one size.

    Raises:
        Unequal: one is larger than allowed.
    """
    seen = Differences()
    for graph, score in _variants(model, predictor, exportable.threshold, batches):
        if exportable.logits:
            graph.graph.output.append(onnx.ValueInfoProto(name=exportable.logits.name))
        session = open_session(graph)
        for batch in batches:
            images = _images(batch, exportable.preprocessing)
            outputs = run_or_differ(session, {'images': images})
            _compare(seen, outputs, predictor, exportable, batch, score)
    return seen.conclude()


def _images(batch: Sequence[np.ndarray], preprocessing: Mapping[str, Any]) -> np.ndarray:
    prepare = ResizeAndCrop(**preprocessing) if preprocessing else np.asarray
    return np.stack([prepare(picture) for picture in batch])


def _variants(
    model: onnx.ModelProto,
    predictor: Predictor,
    threshold: Threshold | None,
    batches: Sequence[Sequence[np.ndarray]],
) -> Iterator[tuple[onnx.ModelProto, float | None]]:
    """(graph, score threshold), while the predictor has the same threshold."""
    if threshold is None:
        yield copy.deepcopy(model), None
        return
    usual = threshold.of_model(predictor.model, 0.0)
    try:
        found = predictor(batches[0][0])
        # The most objects, without all those below that NMS would have to sort.
        most = 0.9 * float(found.scores.min()) if len(found) else 0.0
        for value in (usual, most, 1.0):
            threshold.of_model(predictor.model, value)
            graph = copy.deepcopy(model)
            threshold.of_onnx(graph, value)
            yield graph, value
    finally:
        threshold.of_model(predictor.model, usual)


def _compare(
    seen: Differences,
    outputs: Mapping[str, np.ndarray],
    predictor: Predictor,
    exportable: Exportable,
    batch: Sequence[np.ndarray],
    score: float | None,
) -> None:
    classes, palette = predictor.classes, predictor.palette
    named = {port.name: outputs[port.name] for port in exportable.outputs}
    actual = results_or_differ(exportable.task, named, batch, classes, palette)
    logits = exportable.logits
    for index, (picture, sample) in enumerate(zip(batch, predictor.samples(batch), strict=True)):
        expected = predictor.task.result(picture, sample, classes, palette)
        margin = None
        if logits is not None:
            wanted = logits.of_sample(sample)
            seen.compare_values('logits', wanted, outputs[logits.name][index])
            best = np.partition(wanted, -2, axis=0)[-2:]
            margin = (best[1] - best[0]) / np.abs(wanted).max()
        seen.compare(expected, actual[index], margin, score, exportable.most_objects)


def make_batches(
    pictures: Sequence[np.ndarray], batch: int | None, size: tuple[int, int] | None
) -> list[list[np.ndarray]]:
    """Batches with several sizes, with several images, and without anything to find.

    Args:
        pictures: real images (H, W, 3) uint8 in RGB.
        batch, size: what the model takes alone, None where it takes any.
    """
    sizes: list[tuple[int, int]] = []
    if size is None:
        for picture in pictures:
            height, width = picture.shape[:2]
            sizes += [(height, width), (height * 3 // 5 | 1, width * 4 // 5 | 1)]
    else:
        sizes = [size] * len(pictures)
    batches = []
    for index, (height, width) in enumerate(sizes):
        picture = pictures[index * len(pictures) // len(sizes)]
        image = np.asarray(Image.fromarray(picture).resize((width, height)))
        grey = np.full_like(image, 128)
        views = [image, np.ascontiguousarray(image[:, ::-1]), grey]
        count = batch or (1 if index % 2 else len(views))
        batches.append([views[i % len(views)] for i in range(count)])
    return batches
