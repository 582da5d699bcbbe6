"""Small exported models, and what they give for an image, by numpy."""

import json

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

CLASSES = dict(
    classification=['red', 'green', 'blue'],
    detection=['cat', 'dog'],
    segmentation=['red', 'green', 'blue'],
)
BOXES = np.array([[2, 3, 20.5, 17], [10, 0, 12.25, 30]], np.float32)
MASKS = np.random.default_rng(0).random((2, 28, 28)).astype(np.float32)
_TYPES = {
    'uint8': TensorProto.UINT8,
    'int32': TensorProto.INT32,
    'int64': TensorProto.INT64,
    'float32': TensorProto.FLOAT,
}
# Output -> (type, shape)
_OUTPUTS = dict(
    classification=dict(scores=('float32', ['B', 3])),
    detection=dict(
        boxes=('float32', ['D', 4]),
        labels=('int64', ['D']),
        scores=('float32', ['D']),
        masks=('float32', ['D', 28, 28]),
        counts=('int64', ['B']),
    ),
    segmentation=dict(map=('uint8', ['B', 'H', 'W'])),
)


def write_model(
    path, task, shape=('B', 'H', 'W', 3), masks=True, metadata=None, constants=None, change=None
):
    """Write a model of a task; a classifier's scores are the means of the channels, over 255.

    Args:
        path: the file.
        task: a key of CLASSES.
        shape: of its input.
        masks: of a detector.
        metadata: name without mila. -> text in place of the right one, None to leave it out.
        constants: name -> array in place of the right one, see `_graph`.
        change: is given the ModelProto before it is saved.
    """
    outputs = {k: v for k, v in _OUTPUTS[task].items() if masks or k != 'masks'}
    nodes, held = _graph(task, masks)
    held.update(constants or {})
    model = helper.make_model(
        helper.make_graph(
            nodes,
            task,
            [helper.make_tensor_value_info('images', TensorProto.UINT8, list(shape))],
            [
                helper.make_tensor_value_info(name, _TYPES[kind], dims)
                for name, (kind, dims) in outputs.items()
            ],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
        ),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=8,
    )
    checker.check_model(model)
    texts = dict(
        version='1',
        task=task,
        classes=json.dumps(CLASSES[task]),
        palette='null',
        preprocessing='{}',
        inputs=json.dumps([_value('images', 'uint8', list(shape))]),
        outputs=json.dumps([_value(name, *outputs[name]) for name in outputs]),
    )
    texts.update(metadata or {})
    texts = {f'mila.{name}': text for name, text in texts.items() if text is not None}
    helper.set_model_props(model, texts)
    if change:
        change(model)
    path.write_bytes(model.SerializeToString())
    return path


def _value(name, dtype, shape):
    return dict(name=name, shape=shape, dtype=dtype, meaning='see the tests')


def _graph(task, masks):
    """(nodes, constants) of a task."""
    node = helper.make_node
    if task == 'segmentation':  # the brightest channel
        return [
            node('Cast', ['images'], ['values'], to=TensorProto.INT32),
            node('ArgMax', ['values'], ['brightest'], axis=3, keepdims=0),
            node('Cast', ['brightest'], ['map'], to=TensorProto.UINT8),
        ], {}
    nodes = [
        node('Cast', ['images'], ['values'], to=TensorProto.FLOAT),
        node('ReduceMean', ['values'], ['means'], axes=[1, 2], keepdims=0),
        node('Div', ['means', 'white'], ['shares']),
    ]
    constants = dict(white=np.float32(255))
    if task == 'classification':
        return [*nodes, node('Identity', ['shares'], ['scores'])], constants
    # The same two objects in each image, with the means of red and green as their scores.
    nodes += [
        node('Shape', ['images'], ['batch'], start=0, end=1),
        node('Slice', ['shares', 'from', 'to', 'axis'], ['two']),
        node('Reshape', ['two', 'flat'], ['scores']),
        node('Tile', ['count', 'batch'], ['counts']),
        node('Tile', ['labels_of_one', 'batch'], ['labels']),
        node('Concat', ['batch', 'one'], ['times'], axis=0),
        node('Tile', ['boxes_of_one', 'times'], ['boxes']),
    ]
    constants.update(
        {
            'from': np.array([0]),
            'to': np.array([2]),
            'axis': np.array([1]),
            'flat': np.array([-1]),
            'one': np.array([1]),
            'count': np.array([2]),
            'labels_of_one': np.array([1, 0]),
            'boxes_of_one': BOXES,
        }
    )
    if masks:
        nodes += [
            node('Concat', ['times', 'one'], ['times_of_masks'], axis=0),
            node('Tile', ['masks_of_one', 'times_of_masks'], ['masks']),
        ]
        constants['masks_of_one'] = MASKS
    return nodes, constants


def means(pixels):
    """What a classifier gives for an image (H, W, 3); a detector the first two."""
    return pixels.reshape(-1, 3).mean(axis=0) / 255
