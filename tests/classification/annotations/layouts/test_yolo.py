"""annotations/layouts/yolo.py, yolo_files.py: trees and lines, right and wrong."""

import shutil

import pytest

from classification.annotations.problems.problem import Severity
from classification.annotations.recognise import read_dataset
from classification.engine.errors import DataError, UsageError
from tests.helpers import picture
from tests.layouts import write

BOX = '0 .5 .5 .25 .5'  # of an image of 40x36: 15, 9, 25, 27


@pytest.fixture
def read(tmp_path):
    """A function: lines of a.txt -> the objects of a.png, and the problems."""

    def reader(*lines, task='segment', names='[cat, dog]'):
        picture(tmp_path / 'images' / 'a.png')
        write(tmp_path / 'labels' / 'a.txt', '\n'.join(lines))
        write(tmp_path / 'data.yaml', f'train: images\nnames: {names}\n')
        annotations = read_dataset(tmp_path, task='detect')
        return annotations.images[0].instances, annotations.problems

    return reader


def test_a_box_and_a_polygon(read):
    (box, polygon), problems = read(BOX, '', '1 0 0 0.5 0 .5 .5')
    assert not problems
    assert (box.box, box.label, box.has_mask, box.record) == ((15, 9, 25, 27), 0, False, 'line 1')
    assert (polygon.box, polygon.label, polygon.record) == ((0, 0, 20, 18), 1, 'line 3')
    assert polygon.polygons == [[0, 0, 20, 0, 20, 18]]


BAD_LINES = {
    '0 nan .5 .1 .1': 'box that is not four numbers',
    '0 .5 .5 .1 inf': 'box that is not four numbers',
    '0 .5 .5 .1 x': 'box that is not four numbers',
    '0 .5 .5 .1_0 .1': 'box that is not four numbers',
    '0 20 18 10 18': 'values that are no shares of the image',
    '0 .5 .5 -.2 .2': 'box without area',
    '0 .5 .5 0 .2': 'box without area',
    '0 .5 .5 .01 .2': 'box smaller than a pixel',
    '0 .5 .5 .2': 'line of another length',
    '0 .5 .5 .2 .2 .9': 'line of another length',
    '0 .1 .1 .5 .5 .9 nan': 'polygon with a value that is no number',
    '0 .1 .1 .5 .5 .9 .9': 'polygon without area',
    '0 4 6 20 30 9 1': 'values that are no shares of the image',
    '2 .5 .5 .2 .2': 'class number without a name',
    '-1 .5 .5 .2 .2': 'class number without a name',
    '0.5 .5 .5 .2 .2': 'class number without a name',
    'cat .5 .5 .2 .2': 'class number without a name',
    '1e99 .5 .5 .2 .2': 'class number without a name',
}


@pytest.mark.parametrize('line', BAD_LINES)
def test_a_line_that_is_no_object_is_left_out_and_named(read, line):
    objects, [problem] = read(BOX, line, BOX)
    assert [item.record for item in objects] == ['line 1', 'line 3']
    assert (problem.kind, problem.record) == (BAD_LINES[line], 'line 2')
    assert problem.file.name == 'a.txt' and problem.severity > Severity.HARMLESS


def test_what_exceeds_the_image_is_cut_and_said(read):
    [box], [problem] = read('0 .95 .5 .3 .5')
    assert box.box == (32, 9, 40, 27) and problem.kind == 'box beyond the image'


def test_rounding_beyond_the_edge_is_not_a_problem(read):
    [box], problems = read('0 .5 .5 1.000001 1.000001')
    assert box.box == (0, 0, 40, 36) and not problems


@pytest.mark.parametrize(
    'names, classes',
    [
        ('[yes, no]', ['yes', 'no']),
        ('{0: cat, 1: dog}', ['cat', 'dog']),
        ('{1: dog, 0: cat}', ['cat', 'dog']),
        ('[0, 1]', ['0', '1']),
        ('["a  b", Äpfel]', ['a b', 'Äpfel']),
    ],
)
def test_names_are_what_stands_in_the_file(read, tmp_path, names, classes):
    read(BOX, names=names)
    assert read_dataset(tmp_path).classes == classes


@pytest.mark.parametrize(
    'names', ['[a, a]', '{0: a, 2: b}', '[]', '3', '[[a]]', '{a: b}', '[""]', '[']
)
def test_names_that_cannot_be_used_are_refused(read, names):
    with pytest.raises(DataError, match='data.yaml'):
        read(BOX, names=names)


def tree(root, *images, labels=True):
    for name in images:
        path = root / name
        picture(path.with_suffix('.jpg'), seed=len(name) + ord(path.stem[-1]))
        if labels:
            place = str(path).replace('/images/', '/labels/')
            write(f'{place}.txt', BOX)
    return root


TREES = {
    # Ultralytics', with `path`, and with one of another machine
    'path': ('path: data\ntrain: images/t\nval: images/v', ('data/images/t/a', 'data/images/v/b')),
    'foreign path': (
        'path: /home/me/x\ntrain: images/t\nval: images/v',
        ('images/t/a', 'images/v/b'),
    ),
    # Roboflow's
    'one .. too many': (
        'train: ../train/images\nval: ../valid/images',
        ('train/images/a', 'valid/images/b'),
    ),
    'patterns': ('train: "images/*a.jpg"\nval: images/b*', ('images/a', 'images/b')),
    'several folders': ('train: [images/t, more]\nval: images/v', ('images/t/a', 'images/v/b')),
    'backslashes': ('train: images\\t\nval: .\\images\\v', ('images/t/a', 'images/v/b')),
    'labels beside': ('train: t\nval: v', ('t/a', 'v/b')),
    'folder of its own': (
        'train: train/images\nval: val/images',
        ('train/images/a', 'val/images/b'),
    ),
    'same names': ('train: t/images\nval: v/images', ('t/images/b', 'v/images/b')),
}


@pytest.mark.parametrize('case', TREES)
def test_trees(tmp_path, case):
    text, images = TREES[case]
    tree(tmp_path, *images)
    write(tmp_path / 'data.yaml', f'{text}\nnames: [cat]\n')
    found = read_dataset(tmp_path)
    relative = {i.path.relative_to(tmp_path).with_suffix('').as_posix(): i for i in found.images}
    assert {name: image.split for name, image in relative.items()} == dict(
        zip(images, ('train', 'val'), strict=True)
    )
    assert all(len(image.instances) == 1 for image in found.images)
    assert all(image.source.stem == image.path.stem for image in found.images)


def test_lists_of_images(tmp_path):
    tree(tmp_path, 'images/a', 'images/b', 'images/c')
    write(tmp_path / 'train.txt', './images/a.jpg\r\n/home/me/images/b.jpg\r\n')
    write(tmp_path / 'val.txt', 'images/c.jpg')
    write(tmp_path / 'data.yaml', 'train: train.txt\nval: val.txt\nnames: [cat]')
    splits = {image.path.stem: image.split for image in read_dataset(tmp_path).images}
    assert splits == dict(a='train', b='train', c='val')


def test_without_data_file_names_stand_in_classes_txt(tmp_path):
    tree(tmp_path, 'train/a', 'val/b')
    write(tmp_path / 'classes.txt', '\ufeffcat\r\ndog\r\n\r\n')
    found = read_dataset(tmp_path)
    assert found.classes == ['cat', 'dog'] and not found.problems
    assert [image.split for image in found.images] == ['train', 'val']


def test_names_may_be_given(tmp_path):
    tree(tmp_path, 'a', 'b')
    assert read_dataset(tmp_path, classes=['owl']).classes == ['owl']
    with pytest.raises(UsageError, match='--classes'):
        read_dataset(tmp_path)


def kinds(annotations):
    return {(problem.kind, problem.file.name) for problem in annotations.problems}


def test_missing_and_orphan_files(tmp_path):
    tree(tmp_path, 'images/a', 'images/b')
    (tmp_path / 'labels' / 'b.txt').rename(tmp_path / 'labels' / 'c.txt')
    write(tmp_path / 'classes.txt', 'cat')
    found = read_dataset(tmp_path)
    assert kinds(found) == {
        ('image without objects or label file', 'b.jpg'),
        ('label file without an image', 'c.txt'),
    }
    assert [len(image.instances) for image in found.images] == [1, 0]


def test_an_empty_label_file_is_an_image_without_objects(tmp_path):
    tree(tmp_path, 'images/a', 'images/b')
    write(tmp_path / 'labels' / 'b.txt', '')
    write(tmp_path / 'classes.txt', 'cat')
    found = read_dataset(tmp_path)
    assert not found.problems and [len(image.instances) for image in found.images] == [1, 0]


def test_two_images_of_one_label_file(tmp_path):
    tree(tmp_path, 'images/a')
    shutil.copy(tmp_path / 'images' / 'a.jpg', tmp_path / 'images' / 'a.jpeg')
    write(tmp_path / 'classes.txt', 'cat')
    found = read_dataset(tmp_path)
    assert len(found.images) == 1 and kinds(found) == {('several images of one name', 'a.jpg')}


@pytest.mark.parametrize(
    'text, kind',
    [
        ('train: images\nval: images/none', 'split without images'),
        ('train: images\nnc: 3', 'another number of classes than names'),
        ('train: images\nval: images/a.*', 'same image in two splits'),
    ],
)
def test_what_is_wrong_with_a_data_file_is_said(tmp_path, text, kind):
    tree(tmp_path, 'images/a', 'images/b')
    write(tmp_path / 'data.yaml', f'{text}\nnames: [cat]')
    assert (kind, 'data.yaml') in kinds(read_dataset(tmp_path))


def test_training_images_named_for_validation_too_are_no_split(tmp_path):
    tree(tmp_path, 'images/a', 'images/b')
    write(tmp_path / 'data.yaml', 'train: images\nval: images\nnames: [cat]')
    found = read_dataset(tmp_path)
    assert not found.problems and {image.split for image in found.images} == {'train'}
    assert any('no split' in note for note in found.notes)


@pytest.mark.parametrize('place', ['/', '..', '/**', '../**', '../..'])
def test_what_lies_above_the_data_is_not_searched(tmp_path, place):
    tree(tmp_path / 'in' / 'it', 'images/a')
    picture(tmp_path / 'other.png')
    write(tmp_path / 'in' / 'it' / 'data.yaml', f'train: "{place}"\nnames: [cat]')
    found = read_dataset(tmp_path / 'in' / 'it')
    assert [image.path.stem for image in found.images] == ['a']
