"""An exported network beside itself in PyTorch, on real images that are prepared for it."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from .equality import Differences, results_or_differ, run_or_differ
from .exportable import Exportable
from .network import input_names
from .pixels import pixels_graph
from .sessions import Session, module_session, onnx_session


def check_network(
    run: Session, exportable: Exportable, batches: Sequence[Sequence[np.ndarray]]
) -> Differences:
    """The largest differences between an exported network and itself.

    Args:
        run: the exported one.
        exportable: what it was made from.
        batches: images (H, W, 3) uint8 in RGB, those of a batch of one size; they are not resized.

    Raises:
        Unequal: one is larger than allowed.
    """
    pixels = dataclasses.replace(exportable.pixels, resize=None)
    prepare = onnx_session(pixels_graph(pixels, 'batch', ('height', 'width')))
    names = [port.name for port in exportable.network_outputs]
    network = module_session(exportable.network, names)
    seen = Differences()
    for batch in batches:
        inputs = prepare({'images': np.stack(batch)})
        inputs = {name: inputs[name] for name in input_names(exportable)}
        expected, actual = network(inputs), run_or_differ(run, inputs)
        if exportable.task == 'detection':
            _compare_packed(seen, expected, actual, batch, exportable.most_objects)
        else:
            seen.images += len(batch)
            for name in names:
                seen.compare_values(name, expected[name], actual[name])
    return seen.conclude()


def _compare_packed(
    seen: Differences,
    expected: Mapping[str, np.ndarray],
    actual: Mapping[str, np.ndarray],
    batch: Sequence[np.ndarray],
    most: int | None,
) -> None:
    """Compare a detector's outputs as objects in empty images."""
    count = int(expected['labels'].max(initial=0)) + 1
    names, palette = [f'class {i}' for i in range(count)], [(0, 0, 0)] * count
    pictures = [np.zeros_like(picture) for picture in batch]
    both = [
        results_or_differ('detection', outputs, pictures, names, palette)
        for outputs in (expected, actual)
    ]
    for wanted, found in zip(*both, strict=True):
        seen.compare(wanted, found, most=most)
