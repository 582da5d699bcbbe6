"""annotations/layouts/{voc,labelme,cvat}.py: one object after another, right and wrong."""

import json

import numpy as np
import pytest
from mmdet.datasets import VOCDataset
from PIL import Image

from classification.annotations.problems.problem import Severity
from classification.annotations.recognise import read_dataset
from classification.engine.errors import DataError
from tests import layouts
from tests.helpers import picture
from tests.layouts import png_text, write


def voc(*objects, size=(40, 36)):
    size = f'<size><width>{size[0]}</width><height>{size[1]}</height></size>'
    return f'<annotation><filename>a.png</filename>{size}{"".join(objects)}</annotation>'


def voc_object(*box, name='cat', more=''):
    sides = zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=False)
    inner = ''.join(f'<{side}>{value}</{side}>' for side, value in sides)
    return f'<object><name>{name}</name>{more}<bndbox>{inner}</bndbox></object>'


def labelme(*shapes, size=(40, 36), **more):
    content = dict(shapes=shapes, imagePath='a.png', imageWidth=size[0], imageHeight=size[1])
    return json.dumps({**content, **more})


def shape(kind, *points, label='cat', **more):
    return dict(label=label, points=[[*point] for point in points], shape_type=kind, **more)


def cvat(*shapes, size=(40, 36), labels='<label><name>cat</name></label>'):
    return (
        f'<annotations><meta><task><labels>{labels}</labels></task></meta>'
        f'<image id="0" name="a.png" width="{size[0]}" height="{size[1]}">'
        f'{"".join(shapes)}</image></annotations>'
    )


NAMES = {voc: 'a.xml', labelme: 'a.json', cvat: 'annotations.xml'}


@pytest.fixture
def read(tmp_path):
    """A function: a layout and objects in it -> what is read of a.png."""

    def reader(layout, *objects, **kwargs):
        if not (tmp_path / 'a.png').exists():
            picture(tmp_path / 'a.png')
        write(tmp_path / NAMES[layout], layout(*objects, **kwargs))
        return read_dataset(tmp_path)

    return reader


TRIANGLE = [(4, 4), (20, 4), (4, 20)]
GOOD = {
    'voc': (voc, voc_object(5, 6, 20, 30), (4, 5, 19, 29), False),
    'voc fractions': (voc, voc_object(5.5, 6, 20.5, 30), (4.5, 5, 19.5, 29), False),
    'rectangle': (labelme, shape('rectangle', (4, 5), (19, 29)), (4, 5, 19, 29), False),
    'from the other corner': (labelme, shape('rectangle', (19, 29), (4, 5)), (4, 5, 19, 29), False),
    'of four': (
        labelme,
        shape('rectangle', (4, 5), (19, 5), (19, 29), (4, 29)),
        (4, 5, 19, 29),
        False,
    ),
    'polygon': (labelme, shape('polygon', *TRIANGLE), (4, 4, 20, 20), True),
    'no kind': (labelme, shape(None, *TRIANGLE), (4, 4, 20, 20), True),
    'circle': (labelme, shape('circle', (20, 18), (20, 28)), (10, 8, 30, 28), True),
    'mask': (
        labelme,
        shape('mask', (5, 6), (8, 10), mask=png_text(np.ones((5, 4), bool))),
        (5, 6, 9, 11),
        True,
    ),
    'box': (cvat, '<box label="cat" xtl="4" ytl="5" xbr="19" ybr="29"/>', (4, 5, 19, 29), False),
    'turned box': (
        cvat,
        '<box label="cat" xtl="10" ytl="10" xbr="20" ybr="14" rotation="90"/>',
        (13, 7, 17, 17),
        False,
    ),
    'cvat polygon': (cvat, '<polygon label="cat" points="4,4;20,4;4,20"/>', (4, 4, 20, 20), True),
    'ellipse': (
        cvat,
        '<ellipse label="cat" cx="20" cy="18" rx="10" ry="5"/>',
        (10, 13, 30, 23),
        True,
    ),
    'turned ellipse': (
        cvat,
        '<ellipse label="cat" cx="20" cy="18" rx="10" ry="5" rotation="90"/>',
        (15, 8, 25, 28),
        True,
    ),
    'rle': (
        cvat,
        '<mask label="cat" rle="1, 2, 2, 1" left="5" top="6" width="3" height="2"/>',
        (6, 6, 8, 8),
        True,
    ),
}


@pytest.mark.parametrize('case', GOOD)
def test_an_object(read, case):
    layout, item, box, has_mask = GOOD[case]
    found = read(layout, item)
    [instance] = found.images[0].instances
    assert not found.problems and found.classes == ['cat']
    assert instance.box == pytest.approx(box) and instance.has_mask == has_mask
    if has_mask:
        assert layouts.box_of(layouts.mask_of(instance, (40, 36))) == pytest.approx(box, abs=1)


BAD = {
    'voc NaN': (voc, voc_object('nan', 6, 20, 30), 'box that is not four numbers'),
    'voc three': (voc, voc_object(5, 6, 20), 'box that is not four numbers'),
    'voc upside down': (voc, voc_object(20, 30, 5, 6), 'box without area'),
    'voc outside': (voc, voc_object(50, 6, 60, 30), 'box outside the image'),
    'voc no name': (voc, voc_object(5, 6, 20, 30, name=' '), 'object without a class'),
    'voc difficult': (
        voc,
        voc_object(5, 6, 20, 30, more='<difficult>x</difficult>'),
        'difficult that is neither 0 nor 1',
    ),
    'line': (labelme, shape('linestrip', *TRIANGLE), 'shape that is no area'),
    'two corners': (
        labelme,
        shape('polygon', (1, 1), (9, 9)),
        'polygon of fewer than three points',
    ),
    'huge': (labelme, shape('polygon', (1, 1), (9, 1e9), (4, 2)), 'polygon far outside the image'),
    'flat': (labelme, shape('polygon', (1, 1), (5, 5), (9, 9)), 'polygon without area'),
    'NaN': (
        labelme,
        shape('polygon', (1, float('nan')), (9, 1), (4, 9)),
        'polygon with a value that is no number',
    ),
    'one corner': (labelme, shape('rectangle', (1, 1)), 'shape with another number of points'),
    'triples': (labelme, shape('polygon', (1, 1, 1), (2, 2, 2)), 'points that are no pairs'),
    'no class': (labelme, shape('polygon', *TRIANGLE, label=None), 'object without a class'),
    'no record': (labelme, 'cat', 'annotation that is no object'),
    'no mask': (labelme, shape('mask', (1, 1), (9, 9)), 'mask of an unknown form'),
    'not base64': (labelme, shape('mask', (1, 1), mask='??'), 'mask of an unknown form'),
    'large mask': (
        labelme,
        shape('mask', (1, 1), mask=png_text(np.ones((99, 99), bool))),
        'mask larger than the image',
    ),
    'empty mask': (
        labelme,
        shape('mask', (1, 1), mask=png_text(np.zeros((9, 9), bool))),
        'mask without a pixel',
    ),
    'points': (cvat, '<points label="cat" points="1,1"/>', 'shape that is no area'),
    'half a point': (cvat, '<polygon label="cat" points="1,1;2"/>', 'polygon with half a point'),
    'foreign class': (
        cvat,
        '<box label="dog" xtl="4" ytl="5" xbr="19" ybr="29"/>',
        'annotation of an unknown class',
    ),
    'no side': (
        cvat,
        '<box label="cat" xtl="4" ytl="5" xbr="19"/>',
        'box that is not four numbers',
    ),
    'angle': (
        cvat,
        '<box label="cat" xtl="4" ytl="5" xbr="9" ybr="9" rotation="x"/>',
        'angle that is no number',
    ),
    'short rle': (
        cvat,
        '<mask label="cat" rle="1, 2" left="5" top="6" width="3" height="2"/>',
        'run lengths that are malformed',
    ),
    'huge rle': (
        cvat,
        '<mask label="cat" rle="0, 4" left="5" top="6" width="1e9" height="1e9"/>',
        'mask larger than the image',
    ),
}


@pytest.mark.parametrize('case', BAD)
def test_what_is_no_object_is_left_out_and_named(read, case):
    layout, item, kind = BAD[case]
    good = next(good for good in GOOD.values() if good[0] is layout)[1]
    found = read(layout, good, item)
    [problem] = found.problems
    assert problem.kind == kind and problem.severity > Severity.HARMLESS
    assert problem.file.name == NAMES[layout] and problem.record
    assert len(found.images[0].instances) == 1


@pytest.mark.parametrize('layout', NAMES)
@pytest.mark.parametrize(
    'size, turn, kind',
    [
        ((40, 36), 1, None),
        ((36, 40), 6, None),
        ((40, 36), 6, 'labelled before it was turned'),
        ((80, 72), 1, "stated size is not the image's"),
        ((0, 0), 1, 'no size stated'),
    ],
)
def test_the_stated_size(read, tmp_path, layout, size, turn, kind):
    pixels = Image.fromarray(picture(tmp_path / 'a.png'))
    exif = Image.Exif()
    exif[0x0112] = turn
    pixels.save(tmp_path / 'a.png', exif=exif)
    good = next(good for good in GOOD.values() if good[0] is layout)[1]
    problems = read(layout, good, size=size).problems
    assert [problem.kind for problem in problems] == ([kind] if kind else [])


def test_difficult_objects_are_crowds_as_in_mmdet(read, tmp_path):
    """And boxes are those of its dataset, which reads whole numbers."""
    items = [voc_object(5, 6, 20, 30), voc_object(1, 1, 40, 36, more='<difficult>1</difficult>')]
    found = read(voc, *items)
    for name, folder in (('a.xml', 'Annotations'), ('a.png', 'JPEGImages')):
        (tmp_path / folder).mkdir()
        (tmp_path / name).rename(tmp_path / folder / name)
    write(tmp_path / 'list.txt', 'a')
    theirs = VOCDataset(
        data_root=str(tmp_path),
        ann_file='list.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat',)),
    )[0]['instances']
    ours = found.images[0].instances
    assert [[*item.box] for item in ours] == [item['bbox'] for item in theirs]
    assert [item.crowd for item in ours] == [bool(item['ignore_flag']) for item in theirs]


def parts(*kinds):
    """Two parts of an object, of a triangle or box at 4, 4 and one at 30, 30."""
    made = {
        'polygon': shape('polygon', *TRIANGLE, group_id=1),
        'box': shape('rectangle', (4, 4), (20, 20), group_id=1),
        'second polygon': shape('polygon', (30, 30), (35, 30), (30, 34), group_id=1),
        'second box': shape('rectangle', (30, 30), (35, 34), group_id=1),
        'mask': shape('mask', (30, 30), mask=png_text(np.ones((4, 5), bool)), group_id=1),
        'cvat polygon': '<polygon label="cat" group_id="3" points="4,4;20,4;4,20"/>',
        'cvat box': '<box label="cat" group_id="3" xtl="30" ytl="30" xbr="35" ybr="34"/>',
    }
    return [made[kind] for kind in kinds]


@pytest.mark.parametrize(
    'layout, items',
    [
        (labelme, parts('polygon', 'second polygon')),
        (labelme, parts('polygon', 'second box')),
        (labelme, parts('box', 'second box')),
        (labelme, parts('polygon', 'mask')),
        (cvat, parts('cvat polygon', 'cvat box')),
    ],
    ids=['polygons', 'polygon and box', 'boxes', 'polygon and mask', 'of CVAT'],
)
def test_a_group_is_one_object(read, layout, items):
    [whole] = read(layout, *items).images[0].instances
    assert whole.box == (4, 4, 35, 34)
    only_boxes = 'polygon' not in str(items)
    assert whole.has_mask != only_boxes
    if whole.has_mask:
        mask = layouts.mask_of(whole, (40, 36))
        assert mask[5, 5] and mask[31, 31] and not mask[25, 25]


def test_another_group_or_class_is_another_object(read):
    shapes = [shape('polygon', *TRIANGLE, group_id=number) for number in (1, 2, None, None)]
    shapes.append(shape('polygon', *TRIANGLE, label='dog', group_id=1))
    assert len(read(labelme, *shapes).images[0].instances) == 5


@pytest.mark.parametrize('layout', [voc, labelme])
def test_files_and_images_without_each_other(read, tmp_path, layout):
    good = next(good for good in GOOD.values() if good[0] is layout)[1]
    picture(tmp_path / 'b.png')
    write(
        (tmp_path / 'c').with_suffix(f'.{NAMES[layout][2:]}'),
        layout(good).replace('a.png', 'c.png'),
    )
    write((tmp_path / 'd').with_suffix(f'.{NAMES[layout][2:]}'), layout(good)[:-20])
    picture(tmp_path / 'd.png')
    found = read(layout, good)
    assert [image.path.name for image in found.images] == ['a.png']
    assert {(problem.kind, problem.file.stem) for problem in found.problems} == {
        ('image without a label file', 'b'),
        ('label file without an image', 'c'),
        ('unreadable label file', 'd'),
    }


def test_voc_lists_say_the_split(tmp_path):
    root = layouts.write_voc(tmp_path, layouts.digit_scenes(4))
    write(root / 'ImageSets' / 'Main' / 'train.txt', 'scene 0\r\nnone\r\n')
    write(root / 'ImageSets' / 'Main' / 'zero_train.txt', 'scene 1 -1')
    found = read_dataset(root)
    assert {i.path.stem: i.split for i in found.images} == {
        'scene 0': 'train',
        'scene 2': 'val',
        'scene 3': 'val',
    }
    assert [problem.kind for problem in found.problems] == ['list names what is not there']
    assert any('1 label files are in no list' in note for note in found.notes)


ENTITIES = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    'text, words',
    [
        (f'{ENTITIES}<annotations>&b;</annotations>', 'document type'),
        ('<annotations><track id="0"/></annotations>', 'CVAT for images'),
        ('<annotations>' + '<a>' * 100 + '</a>' * 100 + '</annotations>', 'nested too deeply'),
        ('<annotations><image></annotations>', 'no valid XML'),
        ('<?xml version="1.0" encoding="nonsense"?><annotations/>', 'NONSENSE'),
    ],
)
def test_cvat_files_that_are_refused(tmp_path, text, words):
    picture(tmp_path / 'a.png')
    write(tmp_path / 'annotations.xml', text)
    with pytest.raises(DataError, match=words) as error:
        read_dataset(tmp_path)
    assert 'annotations.xml' in str(error.value) and '\n' not in str(error.value)
