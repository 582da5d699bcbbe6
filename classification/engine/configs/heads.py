"""How many classes the heads of a model's config have, and the same config for other classes.

It reads and writes configs before anything is built. A head is a dict that gives a number of
classes, wherever it stands: in a list of heads (Cascade R-CNN), beside another (an auxiliary head),
or in an ImageClassifier.
"""

from collections.abc import Iterator
from typing import Any

from ..errors import UsageError

# What counts classes: of everything, or of the objects of an instance or panoptic head.
_KEYS = ('num_classes', 'num_things_classes')
# Parts whose classes are not the data's. RPN: object or not; mask and box encoders have no classes.
_OTHERS = ('rpn', 'backbone', 'init_cfg', 'data_preprocessor')


def class_counts(model: dict[str, Any]) -> list[tuple[str, int]]:
    """(path in the whole config, number of classes) of each head, in the config's order.

    A path reads 'model.roi_head.bbox_head.0.num_classes', as --cfg-options takes it. The number of
    a panoptic head is that of its things and stuff together. Heads whose config leaves the
    number to the default of their class are not listed.

    Args:
        model: the config's `model`.
    """
    return [
        (f'{path}.{key}', head[key] + head.get('num_stuff_classes', 0))
        for path, head, key in _heads(model, 'model')
    ]


def set_num_classes(model: dict[str, Any], num_classes: int) -> None:
    """Give every head of the config `num_classes` classes, and its losses a weight for each.

    Weights per class (`class_weight`) stay as they are where all classes have the same; that of the
    background, after them, is kept.

    Args:
        model: the config's `model`, changed in place.
        num_classes: of the data, without background.

    Raises:
        UsageError: the model has no head, or one that needs more than a number: of a panoptic
            model, or with weights that differ between the classes.
    """
    heads = list(_heads(model, 'model'))
    if not heads:
        raise UsageError(
            'The config gives no head of the model a number of classes: set num_classes in it.'
        )
    for path, head, _ in heads:
        if head.get('num_stuff_classes'):
            raise UsageError(
                f'{path} is panoptic: one number of classes does not say how many are things, '
                'so set num_things_classes and num_stuff_classes in the config.'
            )
    for path, head, key in heads:
        for holder in _with_weights(head):
            holder['class_weight'] = _weights(holder['class_weight'], head[key], num_classes, path)
        head[key] = num_classes


def _heads(config: Any, path: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(path, head, the key that counts its classes) of each head in the config."""
    if isinstance(config, list | tuple):
        for position, item in enumerate(config):
            yield from _heads(item, f'{path}.{position}')
    elif isinstance(config, dict):
        yield from ((path, config, key) for key in _KEYS if isinstance(config.get(key), int))
        for name, part in config.items():
            # HTC's map of stuff has classes of its own.
            stuff = name == 'semantic_head' and isinstance(part, dict) and 'num_classes' in part
            if not name.startswith(_OTHERS) and not stuff:
                yield from _heads(part, f'{path}.{name}')


def _with_weights(config: Any) -> Iterator[dict[str, Any]]:
    """The dicts in a head's config that give weights per class."""
    if isinstance(config, list | tuple):
        for item in config:
            yield from _with_weights(item)
    elif isinstance(config, dict):
        if isinstance(config.get('class_weight'), list | tuple):
            yield config
        for part in config.values():
            yield from _with_weights(part)


def _weights(weights: list[float], old: int, new: int, path: str) -> list[float]:
    """`weights` of `old` classes, and perhaps of the background, for `new` ones."""
    classes, background = list(weights[:old]), list(weights[old:])
    if len(set(classes)) > 1 and new != old:
        raise UsageError(
            f'{path} weights its {old} classes differently (class_weight): give the weights of '
            f'the {new} classes in the config, or leave class_weight out.'
        )
    return classes if new == old else classes[:1] * new + background
