"""An exported network beside itself in PyTorch, on real images that are prepared for it."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..exported.outputs import to_results
from .equality import Differences, Unequal, run_or_differ
from .exportable import Exportable
from .pixels import pixels_graph
from .sessions import Session, onnx_session


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
    seen = Differences()
    for batch in batches:
        inputs = prepare({'images': np.stack(batch)})
        if not exportable.takes_sizes:
            inputs = {'x': inputs['x']}
        with torch.no_grad():
            found = exportable.network(*map(torch.from_numpy, inputs.values()))
        values = found if isinstance(found, tuple) else (found,)
        expected = {name: value.numpy() for name, value in zip(names, values, strict=True)}
        actual = run_or_differ(run, inputs)
        if exportable.task == 'detection':
            most = None if exportable.threshold is None else exportable.threshold.most
            _compare_packed(seen, expected, actual, np.stack(batch).shape, most)
        else:
            seen.images += len(batch)
            for name in names:
                seen.compare_values(name, expected[name], actual[name])
    return seen.conclude()


def _compare_packed(
    seen: Differences,
    expected: Mapping[str, np.ndarray],
    actual: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
    most: int | None,
) -> None:
    """Compare a detector's outputs as objects in empty images."""
    count = int(expected['labels'].max(initial=0)) + 1
    names, palette = [f'class {i}' for i in range(count)], [(0, 0, 0)] * count
    pictures = [*np.zeros(shape, np.uint8)]
    try:
        both = [
            to_results('detection', outputs, pictures, names, palette)
            for outputs in (expected, actual)
        ]
    except ValueError as error:
        raise Unequal(f'it {error}') from None
    for wanted, found in zip(*both, strict=True):
        seen.compare(wanted, found, most=most)
