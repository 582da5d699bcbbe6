"""annotations/checks/dataset.py, pixels.py, report/summary.py: what only the whole set shows."""

import shutil

import pytest
from PIL import Image

from classification.annotations.checks.dataset import check
from classification.annotations.checks.pixels import check_pixels
from classification.annotations.records import AnnotatedImage, Annotations, Instance
from classification.annotations.report.summary import summarise
from tests.helpers import picture

CLASSES = ['cat', 'dog']
SQUARE = [[5, 5, 15, 5, 15, 15]]


def scene(path, *labels, split='train', masks=False, size=(40, 36), **options):
    """An image file with objects of these labels."""
    picture(path, size, seed=sum(map(ord, path.name)))
    polygons = SQUARE if masks else None
    instances = [Instance(label, (5, 5, 15, 15), polygons) for label in labels]
    return AnnotatedImage(path, size, instances, split=split, **options)


def found(images, root, classes=CLASSES):
    return [problem.kind for problem in check(Annotations('coco', root, classes, images))]


def test_a_right_set_has_no_problems(tmp_path):
    images = [scene(tmp_path / 'a.png', 0, 1), scene(tmp_path / 'b.png', 0, split='val')]
    assert found(images, tmp_path) == []


@pytest.mark.parametrize(
    'images, kinds',
    [
        ([], ['nothing to train on']),
        ([dict(labels=[])], ['nothing to train on']),
        ([dict(labels=[0])], ['class without an example']),
        (
            [dict(labels=[0]), dict(labels=[1], split='val')],
            ['class of validation without training examples'],
        ),
        ([dict(labels=[0, 1]), dict(labels=[])], ['image without objects']),
        ([dict(labels=[0, 1]), dict(labels=[], split='val')],
         ['image without objects', 'nothing to train on']),
        (
            [dict(labels=[0, 1], masks=True), dict(labels=[0])],
            ['object without a mask among objects with one'],
        ),
        ([dict(labels=[0, 1], size=(31, 60))], ['image smaller than 32 pixels']),
        ([dict(labels=[0, 1], size=(40, 900))], ['image more than 20 times as long as wide']),
    ],
)  # fmt: skip
def test_what_a_set_lacks(images, kinds, tmp_path):
    scenes = [
        scene(tmp_path / f'{i}.png', *options.pop('labels'), **options)
        for i, options in enumerate(map(dict, images))
    ]
    assert found(scenes, tmp_path) == kinds


def test_maps_of_one_class_teach_nothing(tmp_path):
    image = scene(tmp_path / 'a.png', map=tmp_path / 'a.map', pixels={0: 100})
    assert 'maps of one class alone' in found([image], tmp_path)


def test_classes_written_in_two_ways(tmp_path):
    image = scene(tmp_path / 'a.png', 0, 1)
    assert found([image], tmp_path, ['T-shirt', 't shirt']) == [
        'class names that differ in case or spaces alone'
    ]


def test_files_that_are_not_what_they_seem(tmp_path):
    image = scene(tmp_path / 'a.png', 0, 1)
    scene(tmp_path / 'spare.png')
    exif = Image.Exif()
    exif[0x112] = 3
    Image.open(image.path).save(image.path, 'JPEG', exif=exif)
    assert found([image], tmp_path) == [
        'suffix of another format',
        'image turned by its EXIF data',
        'image without a record',
    ]


@pytest.mark.parametrize(
    'one, two, kind',
    [
        (dict(split='train'), dict(split='train'), 'same image twice'),
        (dict(split='train'), dict(split='val'), 'same image in two splits'),
        (dict(label=0), dict(label=1), 'same image with two labels'),
    ],
)
def test_the_same_image_twice(one, two, kind, tmp_path):
    first, second = (
        AnnotatedImage(tmp_path / f'{i}.png', (40, 36), **o) for i, o in enumerate((one, two))
    )
    picture(first.path)
    shutil.copy(first.path, second.path)
    (problem,) = check_pixels(Annotations('coco', tmp_path, CLASSES, [first, second]))
    assert problem.kind == kind and problem.file == second.path


def test_nearly_the_same_image_and_a_damaged_one(tmp_path):
    shape = Image.new('RGB', (64, 64), (20, 60, 120))
    shape.paste((250, 240, 30), (10, 12, 40, 50))
    shape.save(tmp_path / 'a.png')
    shape.save(tmp_path / 'b.jpg', quality=60)
    picture(tmp_path / 'c.png')
    data = (tmp_path / 'c.png').read_bytes()
    (tmp_path / 'c.png').write_bytes(data[: len(data) // 2])
    images = [
        AnnotatedImage(tmp_path / name, (64, 64), split=split)
        for name, split in (('a.png', 'train'), ('b.jpg', 'val'), ('c.png', 'train'))
    ]
    problems = check_pixels(Annotations('coco', tmp_path, CLASSES, images))
    assert [(problem.kind, problem.file.name) for problem in problems] == [
        ('unreadable image', 'c.png'),
        ('nearly the same image in two splits', 'b.jpg'),
    ]


def test_numbers_of_a_set(tmp_path):
    images = [
        scene(tmp_path / 'a.png', 0, 0, 1, masks=True),
        scene(tmp_path / 'b.png', 0, split='val', size=(60, 50)),
        scene(tmp_path / 'c.png', split='val'),
    ]
    images[0].instances[2].crowd = True
    images[1].instances[0].box = (0, 0, 60, 50)
    summary = summarise(Annotations('coco', tmp_path, CLASSES, images))
    assert summary.what == 'objects' and summary.splits == ['train', 'val']
    assert dict(summary.images) == dict(train=1, val=2) and summary.empty['val'] == 1
    assert dict(summary.examples['cat']) == dict(train=2, val=1) and not summary.examples['dog']
    assert (summary.masks, summary.crowds) == (3, 1)
    assert dict(summary.sizes) == dict(small=2, medium=1)
    assert summary.shares == [0, 0, 2, 1]
    assert summary.sides == [(40, 40, 60), (36, 36, 50)]
