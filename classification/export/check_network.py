"""An exported network beside itself in PyTorch, for random input."""

from collections.abc import Mapping

import numpy as np
import torch

from ..exported.outputs import to_results
from .equality import Differences, Unequal
from .exportable import Exportable
from .sessions import Session


def check_network(
    run: Session,
    exportable: Exportable,
    batch: int | None,
    size: tuple[int, int] | None,
) -> Differences:
    """The largest differences between an exported network and itself, for random input.

    Args:
        run: the exported one.
        exportable: what it was made from.
        batch, size: what it takes alone, None where it takes any.

    Raises:
        Unequal: one is larger than allowed.
    """
    seen = Differences()
    rng = np.random.default_rng(0)
    step = max(exportable.multiple, 1)
    sizes = [size] if size else [(2 * step + 64 // step * step, 3 * step + 96), (96, 64)]
    for height, width in sizes:
        height, width = (side + -side % step for side in (height, width))
        for count in [batch] if batch else [1, 3]:
            x = rng.standard_normal((count, 3, height, width), np.float32)
            inputs = {'x': x}
            if exportable.takes_sizes:
                sizes_given = np.array([height, width])
                inputs.update(shape=sizes_given, size=sizes_given)
            with torch.no_grad():
                wanted = exportable.network(*map(torch.from_numpy, inputs.values()))
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            found = run(inputs)
            ports = exportable.network_outputs
            expected = {port.name: v.numpy() for port, v in zip(ports, wanted, strict=True)}
            if exportable.task == 'detection':
                most = None if exportable.threshold is None else exportable.threshold.most
                _compare_packed(seen, expected, found, (count, height, width, 3), most)
            else:
                seen.images += count
                for name, values in expected.items():
                    seen.compare_values(name, values, found[name])
    return seen


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
