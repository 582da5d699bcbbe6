"""exported/model.py: results of exported models, and what is refused in a sentence."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from PIL import Image

import classification
import detection
import segmentation
from classification.engine.errors import CheckpointError, DataError, UsageError
from classification.engine.prediction.sources import Source, find_sources
from classification.exported import ExportedModel, load
from classification.exported.masks import paste_masks
from classification.exported.preprocessing import ResizeAndCrop
from classification.results import ClassMap, Instances, Scores
from tests.exported import BOXES, CLASSES, MASKS, means, write_model
from tests.helpers import picture

TASKS = ['classification', 'detection', 'segmentation']


@pytest.fixture
def exported(tmp_path):
    """A function: arguments of `write_model` but the path -> the file."""
    return lambda *args, **kwargs: write_model(tmp_path / 'm.onnx', *args, **kwargs)


def assert_right(result, pixels, task):
    """A result is what the small model gives for the pixels."""
    assert (result.image == pixels).all() and list(result.names) == CLASSES[task]
    assert len(set(result.palette)) == len(CLASSES[task])
    if task == 'classification':
        assert isinstance(result, Scores)
        assert np.allclose(result.scores, means(pixels), atol=1e-6)
    elif task == 'segmentation':
        assert isinstance(result, ClassMap)
        assert (result.map == pixels.argmax(axis=2)).all()
    else:
        assert isinstance(result, Instances)
        assert (result.boxes == BOXES).all() and result.labels.tolist() == [1, 0]
        assert np.allclose(result.scores, means(pixels)[:2], atol=1e-6)
        pasted = [mask.whole(pixels.shape[:2]) for mask in paste_masks(MASKS, BOXES, (36, 40))]
        assert (result.masks == pasted).all()


@pytest.mark.parametrize('task', TASKS)
def test_results(task, exported, tmp_path):
    pixels = picture(tmp_path / 'a.png')
    model = load(exported(task))
    assert model.task == task and isinstance(model, ExportedModel)
    path = tmp_path / 'a.png'
    for form in (
        path,
        str(path),
        path.read_bytes(),
        Image.fromarray(pixels),
        pixels,
        torch.from_numpy(pixels).permute(2, 0, 1),
    ):
        assert_right(model(form), pixels, task)
    assert model(path).draw().size == (360, 324)
    assert model(path)._repr_png_().startswith(b'\x89PNG')


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('batch_size', [1, 2, 10])
def test_images_of_several_sizes(task, batch_size, exported, monkeypatch):
    random = np.random.default_rng(0)
    sizes = [(36, 40), (20, 50), (36, 40), (36, 40), (20, 50)]
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    model, shapes = load(exported(task, masks=False)), []
    run = model._run
    monkeypatch.setattr(model, '_run', lambda batch: shapes.append(len(batch)) or run(batch))
    results = model(images, batch_size=batch_size)
    for result, image in zip(results, images, strict=True):
        assert (result.image == image).all()
        if task == 'segmentation':
            assert (result.map == image.argmax(axis=2)).all()
        else:
            assert np.allclose(result.scores, means(image)[: len(result.scores)], atol=1e-6)
    assert shapes == {1: [1] * 5, 2: [2, 2, 1], 10: [2, 3]}[batch_size]
    assert model([]) == []


@pytest.mark.parametrize('task', TASKS)
def test_a_folder_as_a_stream(task, exported, tmp_path):
    pixels = {name: picture(tmp_path / f'f/{name}.png', seed=ord(name)) for name in 'abd'}
    (tmp_path / 'f/c.png').write_bytes(b'garbage')
    found = list(load(exported(task)).stream(find_sources([str(tmp_path / 'f')]).sources, 2))
    assert [source.name for source, _ in found] == [Path(name) for name in 'abcd']
    for source, result in found:
        if source.name == Path('c'):
            assert isinstance(result, DataError)
        else:
            assert_right(result, pixels[source.name.name], task)


def test_a_classifier_sees_what_was_cropped(exported, tmp_path):
    pixels = picture(tmp_path / 'a.png', size=(90, 51))
    entry = {'resize': 40, 'interpolation': 'bicubic', 'crop': [32, 24]}
    for shape in (['B', 'H', 'W', 3], ['B', 32, 24, 3]):
        model = load(
            exported('classification', shape, metadata={'preprocessing': json.dumps(entry)})
        )
        result = model(tmp_path / 'a.png')
        assert (result.image == pixels).all()
        seen = ResizeAndCrop(**entry)(pixels)
        assert np.allclose(result.scores, means(seen), atol=1e-6)
    # Inputs of one size: images of any sizes share a batch.
    assert len(model([pixels, pixels[:20], pixels[:30]], batch_size=3)) == 3


@pytest.mark.parametrize('masks', [True, False])
def test_tiles_of_detections(masks, exported):
    """The same two objects in each of four tiles, none of which two tiles see."""
    model = load(exported('detection', masks=masks), tile=40)
    pixels = np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    result = model(pixels, batch_size=3)
    corners = [(x, y) for y in (0, 30) for x in (0, 30)]
    expected = np.concatenate([BOXES + [x, y, x, y] for x, y in corners])
    assert sorted(result.boxes.tolist()) == sorted(expected.tolist())
    assert (result.masks is None) is not masks


def test_tiles_of_maps(exported):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    result = load(exported('segmentation'), tile=32)(pixels, batch_size=4)
    assert (result.map == pixels.argmax(axis=2)).all()


def test_tiles_of_a_classifier(exported):
    with pytest.raises(UsageError, match='Tiles of 64 pixels are not possible'):
        load(exported('classification'), tile=64)


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('number', [1, 2, 5])
def test_a_graph_of_so_many_images(task, number, exported, tmp_path):
    pixels = [picture(tmp_path / 'a.png', seed=seed) for seed in range(3)]
    results = load(exported(task, [number, 'H', 'W', 3]))(pixels, batch_size=3)
    for result, image in zip(results, pixels, strict=True):
        assert_right(result, image, task)


def test_a_graph_of_one_size(exported):
    model = load(exported('segmentation', ['B', 36, 'W', 3]))
    assert model(np.zeros((36, 50, 3), np.uint8)).map.shape == (36, 50)
    with pytest.raises(DataError, match='the image is 40x50 pixels, and .* takes anyx36 alone'):
        model(np.zeros((50, 40, 3), np.uint8))
    source = Source(__file__, Path('x'))
    ((_, error),) = model.stream([source])
    assert isinstance(error, DataError)


def test_a_detector_that_finds_nothing(exported):
    nothing = dict(
        count=np.array([0]),
        to=np.array([0]),
        labels_of_one=np.zeros(0, np.int64),
        boxes_of_one=np.zeros((0, 4), np.float32),
        masks_of_one=np.zeros((0, 28, 28), np.float32),
    )
    results = load(exported('detection', constants=nothing))([np.zeros((9, 9, 3), np.uint8)] * 2, 2)
    for result in results:
        assert len(result) == 0 and result.masks.shape == (0, 9, 9) and result.is_bare(0)


def test_threads_may_share_a_model(exported, tmp_path):
    model = load(exported('detection'))
    pixels = [picture(tmp_path / 'a.png', seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for result, image in zip(pool.map(model, pixels), pixels, strict=True):
            assert_right(result, image, 'detection')


LOADERS = dict(classification=classification, detection=detection, segmentation=segmentation)


@pytest.mark.parametrize('task', TASKS)
def test_the_loader_of_a_task_takes_its_exported_models(task, exported, tmp_path):
    path, pixels = exported(task), picture(tmp_path / 'a.png')
    assert_right(LOADERS[task].load(path)(pixels), pixels, task)
    with pytest.raises(UsageError, match='m.onnx computes in the precision that it was exported'):
        LOADERS[task].load(path, precision='bf16')
    other = LOADERS[TASKS[TASKS.index(task) - 1]]
    with pytest.raises(UsageError, match=f'm.onnx is a model of {task}, not '):
        other.load(path)


@pytest.mark.parametrize('device', ['tpu', 'cuda:', 'cuda:-1', '', 'cpu:0'])
def test_devices_that_are_none(device, exported):
    with pytest.raises(UsageError, match='device of an exported model is cpu, cuda or cuda:1, not'):
        load(exported('classification'), device=device)


@pytest.mark.skipif(
    'CUDAExecutionProvider' in onnxruntime.get_available_providers(), reason='there is a GPU'
)
def test_a_gpu_that_is_not_there(exported):
    with pytest.raises(UsageError, match='cuda:1 cannot be used by the installed ONNX Runtime'):
        load(exported('classification'), device='cuda:1')


RIGHT = {'resize': 36, 'interpolation': 'bicubic', 'crop': [32, 32]}


@pytest.mark.parametrize(
    'task, metadata, reason',
    [
        ('detection', {'version': None}, 'was not exported by this project'),
        ('detection', {'version': '2'}, 'has the form 2 of exported files, and this version reads'),
        ('detection', {'task': None}, 'mila.task is missing'),
        ('detection', {'task': 'pose'}, 'mila.task is none of classification, detection, segm'),
        ('detection', {'task': 'segmentation'}, 'mila.outputs lacks map, which segmentation gives'),
        ('detection', {'classes': None}, 'mila.classes is missing'),
        ('detection', {'classes': '["a"'}, 'mila.classes is no JSON'),
        ('detection', {'classes': '[' * 100_000}, 'mila.classes is no JSON'),
        ('detection', {'classes': '"ab"'}, 'mila.classes is a str'),
        ('detection', {'classes': '[1, 2]'}, 'mila.classes is no list of names'),
        ('detection', {'classes': '[]'}, 'mila.classes is no list of names'),
        ('detection', {'palette': '[[0, 0, 0]]'}, 'mila.palette has no RGB colour for each of 2'),
        ('detection', {'palette': '[[0, 0, 0], [0, 0, 256]]'}, 'mila.palette has no RGB colour'),
        ('detection', {'palette': '3'}, 'mila.palette is a int'),
        ('detection', {'preprocessing': json.dumps(RIGHT)}, 'mila.preprocessing changes images'),
        ('classification', {'preprocessing': '{"resize": 3}'}, 'has not the entries resize, inter'),
        (
            'classification',
            {'preprocessing': json.dumps({**RIGHT, 'crop': [0, 1]})},
            'mila.preprocessing crops to no size',
        ),
        ('detection', {'inputs': '[]'}, 'mila.inputs is not images alone'),
        ('detection', {'inputs': '[{"name": "images"}]'}, 'has an entry without name and dtype'),
        ('detection', {'outputs': '[1]'}, 'has an entry without name and dtype'),
        ('detection', {'outputs': 'null'}, 'mila.outputs is a NoneType'),
        (
            'classification',
            {'outputs': '[{"name": "scores", "dtype": "float64"}]'},
            'contradicts itself, its graph has other outputs than mila.outputs says',
        ),
        (
            'classification',
            {'outputs': '[{"name": "scores", "dtype": "float32"}, {"name": "x", "dtype": "int8"}]'},
            'contradicts itself, its graph has other outputs than mila.outputs says',
        ),
        (
            'classification',
            {'inputs': '[{"name": "images", "dtype": "float32"}]'},
            'contradicts itself, its graph has other inputs than mila.inputs says',
        ),
    ],
)
def test_metadata_that_are_wrong(task, metadata, reason, exported):
    with pytest.raises(CheckpointError, match=reason) as caught:
        load(exported(task, metadata=metadata))
    assert 'm.onnx' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('metadata', [{'preprocessing': '{"caller": true}'}, {'task': 'backbone'}])
def test_a_bare_network_predicts_no_images(metadata, exported):
    with pytest.raises(UsageError, match='m.onnx is a bare network, whose input the caller prep'):
        load(exported('classification', metadata=metadata))


@pytest.mark.parametrize(
    'shape, reason',
    [
        (['B', 'H', 'W', 4], 'no uint8 .B, H, W, 3'),
        (['B', 'H', 'W', 'C'], 'no uint8 .B, H, W, 3'),
        (['B', 30, 'W', 3], 'not of the size that is cropped'),
    ],
)
def test_inputs_that_are_wrong(shape, reason, exported):
    with pytest.raises(CheckpointError, match=f'm.onnx contradicts itself, .*{reason}'):
        load(exported('classification', shape, metadata={'preprocessing': json.dumps(RIGHT)}))


@pytest.mark.parametrize('number', [0, 5000])
def test_numbers_of_images_that_are_wrong(number, exported):
    with pytest.raises(CheckpointError, match=f'm.onnx takes {number} images at a time, not 1 to'):
        load(exported('classification', [number, 'H', 'W', 3]))


def outputs_of(*kinds):
    return json.dumps([dict(name=name, dtype=kind) for name, kind in kinds])


def test_an_output_of_another_type(exported):
    def change(model):
        model.graph.node[-1].attribute[0].i = TensorProto.FLOAT
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT

    metadata = {'outputs': outputs_of(('map', 'float32'))}
    with pytest.raises(CheckpointError, match='contradicts itself, map are no float32'):
        load(exported('segmentation', metadata=metadata, change=change))


@pytest.mark.parametrize(
    'constants, reason',
    [
        (dict(white=np.float32(np.nan)), 'gives scores that are not finite'),
        (dict(white=np.float32(0)), 'gives scores that are not finite'),
        (dict(boxes_of_one=np.full((2, 4), np.inf, np.float32)), 'gives boxes that are not finite'),
        (dict(masks_of_one=MASKS * np.nan), 'gives masks that are not finite'),
        (dict(count=np.array([1])), 'gives 2 objects, and counts others'),
        (dict(count=np.array([3])), 'gives 2 objects, and counts others'),
        (dict(count=np.array([-2])), 'gives 2 objects, and counts others'),
        (dict(count=np.array([1, 1])), 'gives counts of shape .2,. where .1,. is due'),
        (dict(labels_of_one=np.array([0, 2])), 'gives labels beyond the 2 classes'),
        (dict(labels_of_one=np.array([-1, 0])), 'gives labels beyond the 2 classes'),
        (dict(labels_of_one=np.array([0])), 'gives labels of shape .1,. where .2,. is due'),
        (dict(boxes_of_one=BOXES[:, :3]), 'gives boxes of shape .2, 3. where .2, 4. is due'),
        (dict(masks_of_one=MASKS[:1]), 'gives masks of shape .1, 28, 28. for 2 objects'),
        (dict(masks_of_one=MASKS[:, :0]), 'gives masks of shape .2, 0, 28. for 2 objects'),
        (dict(to=np.array([1])), 'gives scores of shape .1,. where .2,. is due'),
    ],
)
def test_detections_that_are_wrong(constants, reason, exported, tmp_path):
    picture(tmp_path / 'a.png')

    def change(model):  # what the graph promises is not checked then
        for output in model.graph.output:
            output.type.tensor_type.ClearField('shape')

    model = load(exported('detection', constants=constants, change=change))
    with pytest.raises(CheckpointError, match=f'm.onnx {reason}: export it anew'):
        model(tmp_path / 'a.png')


def test_scores_of_other_classes(exported, tmp_path):
    picture(tmp_path / 'a.png')
    model = load(exported('classification', metadata={'classes': '["a", "b"]'}))
    with pytest.raises(CheckpointError, match='gives scores of shape .1, 3. where .1, 2. is due'):
        model(tmp_path / 'a.png')


def test_a_map_of_another_size(exported):
    def change(model):
        model.graph.node[1].attribute[0].i = 2  # the brightest column

    model = load(exported('segmentation', change=change))
    with pytest.raises(CheckpointError, match='gives map of shape .1, 8, 3. where .1, 8, 9. is'):
        model(np.zeros((8, 9, 3), np.uint8))


def test_a_graph_that_does_not_run(exported):
    path = exported('detection', constants=dict(axis=np.array([7])))
    with pytest.raises(CheckpointError, match='m.onnx (cannot be run|fails on images)') as caught:
        load(path)(np.zeros((8, 9, 3), np.uint8))
    assert '\n' not in str(caught.value)


def test_operators_that_the_runtime_does_not_know(exported):
    def change(model):
        model.graph.node[0].op_type = 'NoOperator'

    with pytest.raises(CheckpointError, match='m.onnx cannot be run by ONNX Runtime .*NoOperator'):
        load(exported('classification', change=change))


def test_a_file_of_the_runtimes_own_format(tmp_path):
    """It has its own ways to name files, at which nothing has looked."""
    (tmp_path / 'm.onnx').write_bytes(b'\x18\x00\x00\x00ORTM' + bytes(100))
    with pytest.raises(CheckpointError, match='m.onnx '):
        load(tmp_path / 'm.onnx')
