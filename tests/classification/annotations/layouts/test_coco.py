"""annotations/layouts/coco.py and coco_file.py: COCO files, right and wrong everywhere."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from classification.annotations.layouts.coco import read_coco
from classification.annotations.layouts.coco_file import to_coco
from classification.annotations.problems.problem import Severity
from classification.engine.errors import DataError
from tests.helpers import picture

SQUARE = [10, 8, 20, 8, 20, 18, 10, 18]


def mask(compressed):
    """Run lengths of a rectangle in an image of 40x36, x 5 to 15, y 6 to 30."""
    pixels = np.zeros((36, 40), np.uint8, order='F')
    pixels[6:30, 5:15] = 1
    counts = mask_api.encode(pixels)['counts'].decode()
    if not compressed:
        runs = np.diff(np.flatnonzero(np.diff(pixels.ravel('F'), prepend=0, append=0)))
        counts = [5 * 36 + 6, *runs.tolist()]
        counts.append(36 * 40 - sum(counts))
    return dict(size=[36, 40], counts=counts)


def annotation(number=1, **changes):
    return {
        'id': number,
        'image_id': 1,
        'category_id': 3,
        'bbox': [10, 8, 10, 10],
        'area': 100,
        'iscrowd': 0,
        'segmentation': [SQUARE],
        **changes,
    }


@pytest.fixture
def read(tmp_path):
    """A function: annotations, and other lists of the file -> what is read."""

    def reader(*annotations, classes=None, encoding='utf-8', **lists):
        picture(tmp_path / 'images' / 'a.png')
        image = dict(id=1, file_name='a.png', width=40, height=36)
        categories = [dict(id=3, name='cat'), dict(id=7, name='dog')]
        content = dict(images=[image], categories=categories, annotations=[*annotations])
        path = tmp_path / 'a.json'
        path.write_text(json.dumps({**content, **lists}), encoding=encoding)
        return read_coco(path, tmp_path / 'images', classes)

    return reader


def found(annotations, least=Severity.DOUBTFUL):
    return [(p.kind, p.record) for p in annotations.problems if p.severity >= least]


def test_boxes_polygons_and_both_kinds_of_run_lengths_are_read(read):
    mask_box = [5, 6, 10, 24]
    result = read(
        annotation(1),
        annotation(2, segmentation=mask(True), bbox=mask_box, category_id=7, iscrowd=1),
        annotation(3, segmentation=mask(False), bbox=mask_box),
        annotation(4, segmentation=[], bbox=[0, 0, 40.5, 36]),
    )
    assert not result.problems
    assert result.classes == ['cat', 'dog']
    (image,) = result.images
    assert image.size == (40, 36)
    one, two, three, four = image.instances
    assert one.box == (10, 8, 20, 18) and one.polygons == [SQUARE] and one.label == 0
    assert two.box == three.box == (5, 6, 15, 30) and two.label == 1 and two.crowd
    for instance in (two, three):
        rle = instance.rle
        if isinstance(rle['counts'], list):
            rle = mask_api.frPyObjects(rle, 36, 40)
        assert mask_api.area(rle) == 240
    assert four.box == (0, 0, 40, 36) and not four.has_mask and not four.crowd
    assert four.record == 'annotation 4'


@pytest.mark.parametrize(
    'changes, kind',
    [
        (dict(bbox=None), 'no box'),
        (dict(bbox=[1, 2, 3]), 'box that is not four numbers'),
        (dict(bbox=['1', 2, 3, 4]), 'box that is not four numbers'),
        (dict(bbox=[1, 2, float('nan'), 4]), 'box that is not four numbers'),
        (dict(bbox=[1, 2, float('inf'), 4]), 'box that is not four numbers'),
        (dict(bbox=[1, 2, 10**400, 4]), 'box that is not four numbers'),
        (dict(bbox=[True, 2, 3, 4]), 'box that is not four numbers'),
        (dict(bbox=[1, 2, 0, 4]), 'box without area'),
        (dict(bbox=[1, 2, -3, 4]), 'box without area'),
        (dict(bbox=[1, 2, 0.5, 4]), 'box smaller than a pixel'),
        (dict(bbox=[50, 2, 5, 4]), 'box outside the image'),
        (dict(segmentation=[[1, 1, 9, 9]]), 'polygon of fewer than three points'),
        (dict(segmentation=[[]]), 'polygon of fewer than three points'),
        (dict(segmentation=[[1, 1, 9, 9, 1, 9, 3]]), 'polygon with half a point'),
        (dict(segmentation=[[1, 1, 9, 1e9, 1, 9]]), 'polygon far outside the image'),
        (
            dict(segmentation=[[1, 1, 9, float('nan'), 1, 9]]),
            'polygon with a value that is no number',
        ),
        (dict(segmentation=[[1, 1, 9, '9', 1, 9]]), 'polygon with a value that is no number'),
        (dict(segmentation=[[1, 1, 5, 5, 9, 9]]), 'polygon without area'),
        (dict(segmentation=SQUARE), 'mask of an unknown form'),
        (dict(segmentation='RLE'), 'mask of an unknown form'),
        (dict(segmentation=dict(counts=[1440])), 'run lengths of another size'),
        (dict(segmentation=dict(mask(True), size=[40, 36])), 'run lengths of another size'),
        (dict(segmentation=dict(size=[36, 40], counts=[9])), 'run lengths that are malformed'),
        (
            dict(segmentation=dict(size=[36, 40], counts=[-1, 1441])),
            'run lengths that are malformed',
        ),
        (dict(segmentation=dict(size=[36, 40], counts='\x7f')), 'run lengths that are malformed'),
        (dict(segmentation=dict(size=[36, 40], counts='oo')), 'run lengths that are malformed'),
        (dict(segmentation=dict(size=[36, 40], counts=[1440])), 'mask without a pixel'),
        (dict(image_id=2), 'annotation of no image'),
        (dict(image_id=[1]), 'annotation without a usable image_id'),
        (dict(category_id=1), 'annotation of an unknown class'),
        (dict(category_id=None), 'annotation of an unknown class'),
        (dict(id=None), 'record without a usable id'),
        (dict(ignore=1), 'annotation to be ignored'),
        (dict(iscrowd='no'), 'iscrowd that is neither 0 nor 1'),
    ],
)
def test_an_object_that_cannot_be_used_is_left_out_and_named(changes, kind, read):
    good, bad = annotation(1), annotation(2, **changes)
    result = read(good, bad)
    assert [p.record for p in result.problems if p.kind == kind]
    assert kind in [kind for kind, _ in found(result)]
    assert [instance.record for instance in result.images[0].instances] == ['annotation 1']


@pytest.mark.parametrize(
    'changes, kind, severity',
    [
        (dict(bbox=[10, 8, 10, 60]), 'box beyond the image', Severity.DOUBTFUL),
        (dict(bbox=[0, 0, 40, 36]), 'box that does not fit its mask', Severity.DOUBTFUL),
        (
            dict(segmentation=[SQUARE, [1, 2]]),
            'polygon of fewer than three points',
            Severity.DOUBTFUL,
        ),
        (
            dict(segmentation=[[10, 8, 20, 8, 20, 45]]),
            'polygon beyond the image',
            Severity.DOUBTFUL,
        ),
        (dict(area=0), 'area of zero or less', Severity.HARMLESS),
        (dict(area='9'), 'area that is no number', Severity.HARMLESS),
        (dict(area=float('nan')), 'area of zero or less', Severity.HARMLESS),
        (dict(id=1), 'annotation id given twice', Severity.DOUBTFUL),
    ],
)
def test_an_object_that_can_be_used_in_part_is_kept_and_named(changes, kind, severity, read):
    result = read(annotation(1), annotation(**{'number': 2, **changes}))
    (problem,) = [p for p in result.problems if p.kind == kind]
    assert problem.severity is severity and problem.record.startswith('annotation')
    assert len(result.images[0].instances) == 2


@pytest.mark.parametrize('key', ['area', 'iscrowd'])
def test_a_key_that_reading_needs_not_is_named(key, read):
    record = annotation()
    del record[key]
    result = read(record)
    assert found(result, Severity.HARMLESS) == [(f'no {key}', 'annotation 1')]
    assert len(result.images[0].instances) == 1


@pytest.mark.parametrize(
    'images, kind',
    [
        ([dict(id=1, file_name='b.png', width=40, height=36)], 'missing image'),
        ([dict(id=1, file_name='a.png', width=80, height=72)], "stated size is not the image's"),
        ([dict(id=1, file_name='a.png', width=36, height=40)], "stated size is not the image's"),
        ([dict(id=1, file_name='a.png', width='40', height=36)], "stated size is not the image's"),
        ([dict(id=1, width=40, height=36)], 'image record that cannot be used'),
        ([dict(file_name='a.png', width=40, height=36)], 'image record that cannot be used'),
        ([None], 'image record that cannot be used'),
        ([dict(id=1, file_name='a.png', width=40, height=36)] * 2, 'image id given twice'),
    ],
)
def test_images_and_their_sizes_are_checked(images, kind, read):
    result = read(annotation(), images=images)
    assert kind in [kind for kind, _ in found(result, Severity.FATAL)]


@pytest.mark.parametrize(
    'categories, classes, kinds',
    [
        ([dict(id=3)], None, ['class without a name or number']),
        ([dict(id=3, name='a'), dict(id=3, name='b')], None, ['class named twice']),
        ([dict(id=3, name='a'), dict(id=4, name='a')], None, ['class named twice']),
        ([dict(id=3, name='a')], ['b'], ['class that is not expected', 'class that is missing']),
    ],
)
def test_classes_are_checked(categories, classes, kinds, read):
    result = read(categories=categories, classes=classes)
    assert [kind for kind, _ in found(result, Severity.FATAL)] == kinds


def test_labels_follow_the_names_in_whatever_order_the_file_has_them(read):
    result = read(annotation(), classes=['dog', 'cat'])
    assert result.images[0].instances[0].label == 1
    assert [p.kind for p in result.problems] == ['classes in another order']


@pytest.mark.parametrize(
    'stated, kind', [((36, 40), None), ((40, 36), 'labelled before it was turned')]
)
def test_labels_belong_to_the_upright_image(stated, kind, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new('RGB', (40, 36)).save(tmp_path / 'a.jpg', exif=exif)
    image = dict(id=1, file_name='a.jpg', width=stated[0], height=stated[1])
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(dict(images=[image], annotations=[], categories=[])))
    result = read_coco(path, tmp_path)
    assert result.images[0].size == (36, 40)
    assert [p.kind for p in result.problems] == ([kind] if kind else [])


def test_two_records_of_one_image_are_taken_together(read):
    image = dict(id=1, file_name='a.png', width=40, height=36)
    result = read(annotation(), annotation(2, image_id=2), images=[image, {**image, 'id': 2}])
    assert found(result) == [('image listed twice', 'image 2')]
    assert len(result.images) == 1 and len(result.images[0].instances) == 2


@pytest.mark.parametrize(
    'content',
    [
        '',
        '[]',
        'null',
        '{"images": []}',
        '{"images": [], "categories": {}}',
        '[' * 100000,
        '{"a": ' * 5000,
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_an_error(content, tmp_path):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(DataError, match='a.json is not an annotation file in COCO format') as error:
        read_coco(tmp_path / 'a.json', tmp_path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_other_encodings_are_read_and_named(encoding, read):
    result = read(annotation(), encoding=encoding)
    assert found(result, Severity.HARMLESS) == [('file not in plain UTF-8', '')]
    assert len(result.images[0].instances) == 1


def test_what_is_written_is_read_as_the_same(read, tmp_path):
    mask_box = [5, 6, 10, 24]
    first = read(
        annotation(1, bbox=[0.1, 0.2, 39.9, 35.7], segmentation=[SQUARE, [1, 1, 39, 1, 20, 35]]),
        annotation(2, segmentation=mask(True), bbox=mask_box, category_id=7, iscrowd=1),
        annotation(3, segmentation=mask(False), bbox=mask_box),
        annotation(4, segmentation=None),
    )
    (tmp_path / 'b.json').write_text(json.dumps(to_coco(first)))
    second = read_coco(tmp_path / 'b.json', tmp_path)
    assert not second.problems and second.classes == first.classes
    for one, two in zip(first.images[0].instances, second.images[0].instances, strict=True):
        assert two.box == pytest.approx(one.box, abs=1e-12)
        assert (two.label, two.polygons, two.rle, two.crowd) == (
            one.label,
            one.polygons,
            one.rle,
            one.crowd,
        )


def test_the_digits_scenes_are_right(here):
    root = here / 'data' / 'digits' / 'coco'
    result = read_coco(root / 'annotations' / 'instances_train2017.json', root / 'train2017')
    assert not result.problems
    assert result.has_masks and len(result.images) == 8
