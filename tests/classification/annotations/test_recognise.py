"""Real scenes written in each layout are recognised and read back as they were drawn."""

import shutil

import numpy as np
import pytest

from classification.annotations.layouts.coco_file import to_coco
from classification.annotations.problems.problem import Severity
from classification.annotations.recognise import read_dataset
from classification.annotations.records import Instance
from classification.datasets.digits import CLASSES
from classification.engine.errors import UsageError
from tests import layouts
from tests.helpers import picture
from tests.layouts import write

COLOURS = [(20 * n, 255 - 20 * n, 7 * n) for n in range(len(CLASSES) + 1)]
# Layout, its writer, what masks are written as, and whether masks are there to be read.
OBJECTS = [
    ('coco', layouts.write_coco, 'rle', True),
    ('coco', layouts.write_coco, 'polygon', True),
    ('coco', layouts.write_coco, None, False),
    ('yolo', layouts.write_yolo, True, True),
    ('yolo', layouts.write_yolo, False, False),
    ('voc', layouts.write_voc, None, False),
    ('labelme', layouts.write_labelme, 'polygon', True),
    ('labelme', layouts.write_labelme, 'mask', True),
    ('labelme', layouts.write_labelme, None, False),
    ('cvat', layouts.write_cvat, 'polygon', True),
    ('cvat', layouts.write_cvat, 'mask', True),
    ('cvat', layouts.write_cvat, None, False),
]
IDS = [f'{layout}-{masks}' for layout, _, masks, _ in OBJECTS]


@pytest.fixture(scope='module')
def scenes():
    return layouts.digit_scenes()


@pytest.mark.parametrize('scene', range(3))
def test_outlines_fill_their_masks(scenes, scene):
    """What the tests below stand on."""
    for _, mask in scenes[scene].objects:
        instance = Instance(0, layouts.box_of(mask), polygons=[layouts.outline_of(mask)])
        assert np.array_equal(layouts.mask_of(instance, mask.shape[::-1]), mask)


def serious(annotations):
    return [str(p) for p in annotations.problems if p.severity > Severity.HARMLESS]


def objects(annotations):
    """{name of the image: (split, [(class, box, mask)])}, masks as bytes."""
    found = {}
    for image in annotations.images:
        masks = [layouts.mask_of(instance, image.size) for instance in image.instances]
        found[image.path.stem] = (
            image.split,
            [
                (
                    annotations.classes[instance.label],
                    instance.box,
                    mask is not None and mask.tobytes(),
                )
                for instance, mask in zip(image.instances, masks, strict=True)
            ],
        )
    return found


def drawn(scenes, masks):
    return {
        scene.name: (
            scene.split,
            [
                (name, layouts.box_of(mask), masks and mask.tobytes())
                for name, mask in scene.objects
            ],
        )
        for scene in scenes
    }


@pytest.mark.parametrize('named', [False, True], ids=['recognised', 'named'])
@pytest.mark.parametrize('layout, writer, masks, has_masks', OBJECTS, ids=IDS)
def test_objects_are_read_as_drawn(scenes, tmp_path, layout, writer, masks, has_masks, named):
    root = writer(tmp_path / 'my photos é', scenes, masks)
    task = 'segment' if has_masks else 'detect'
    found = read_dataset(root, layout if named else None, task if named else None)
    assert not serious(found)
    assert found.layout == layout and found.has_masks == has_masks
    assert objects(found) == drawn(scenes, has_masks)
    assert layout in found.notes[0]


@pytest.mark.parametrize('layout, writer, masks, has_masks', OBJECTS, ids=IDS)
def test_what_trains_is_the_same_from_each(scenes, tmp_path, layout, writer, masks, has_masks):
    """But for the way in which masks are written, and the area, which is measured on it."""

    def content(annotations):
        found = to_coco(annotations)
        names = {item['id']: item['file_name'].split('/')[-1] for item in found['images']}
        boxes = [
            (names[item['image_id']], item['category_id'], item['bbox'], item['iscrowd'])
            for item in found['annotations']
        ]
        return boxes, found['categories'], sorted(names.values())

    reference = read_dataset(layouts.write_coco(tmp_path / 'reference', scenes))
    found = read_dataset(writer(tmp_path / 'root', scenes, masks), classes=CLASSES)
    assert content(found) == content(reference)


@pytest.mark.parametrize('colours', [None, COLOURS], ids=['indexes', 'colours'])
def test_maps_are_read_as_drawn(scenes, tmp_path, colours):
    found = read_dataset(layouts.write_maps(tmp_path, scenes, colours))
    assert not serious(found) and found.layout == 'maps'
    assert found.classes == ['ground', *CLASSES]
    for image, scene in zip(found.images, scenes, strict=True):
        labels = layouts.labels_of(scene)
        assert (image.path.stem, image.split) == (scene.name, scene.split)
        values, counts = np.unique(labels, return_counts=True)
        assert image.pixels == dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_class_folders_are_read_as_written(scenes, tmp_path):
    found = read_dataset(layouts.write_folders(tmp_path, scenes), task='classify')
    labels = {i.path.stem: (found.classes[i.label], i.split) for i in found.images}
    assert labels == {s.name: (s.objects[0][0], s.split) for s in scenes if s.objects}


def clutter(root):
    """What exports and systems leave in a folder."""
    write(root / 'README.roboflow.txt', 'Exported by a tool.\nhttps://example.org')
    write(root / 'README.dataset.txt', '1 2 3')
    for folder in [root, *(path for path in root.rglob('*') if path.is_dir())]:
        write(folder / '.DS_Store', 'x')
        for file in [path for path in folder.iterdir() if path.is_file()]:
            write(folder / f'._{file.name}', '\0\5\26\7')
    shutil.copytree(root, root / '__MACOSX')


@pytest.mark.parametrize('layout, writer, masks, has_masks', OBJECTS, ids=IDS)
def test_a_folder_as_downloaded(scenes, tmp_path, layout, writer, masks, has_masks):
    """Nested, with leftovers, Windows' line ends and suffixes in capitals."""
    root = writer(tmp_path / 'a' / 'export v1' / 'export', scenes, masks)
    for file in [path for path in root.rglob('*') if path.is_file()]:
        if file.suffix in ('.txt', '.xml', '.yaml'):
            file.write_bytes(file.read_bytes().replace(b'\n', b'\r\n'))
        is_named = file.parent.name in ('Main', 'train2017', 'val2017')  # in full, by others
        if file.suffix in ('.png', '.txt', '.xml') and not is_named:
            file.rename(file.with_suffix(file.suffix.upper()))
    clutter(root)
    found = read_dataset(tmp_path / 'a')
    assert not serious(found)
    assert objects(found) == drawn(scenes, has_masks)


QUESTIONS = {
    'two layouts': ('--layout coco or --layout yolo', None),
    'objects and maps': ('--layout coco or --layout maps', None),
    'objects and maps for semantic': ('', 'semantic'),
    'coco for classify': ('--task detect or --task segment', 'classify'),
    'photos': ('no labels that are known', None),
    'empty': ('is empty', None),
    'labels alone': ('--images DIR', None),
    'archive inside': ('unpack it', None),
    'few in each folder': ('--task classify', None),
    'no names': ('--classes NAME', None),
    'four corners': ('--task segment', None),
    'key points': ('pose', None),
    'boxes for segment': ('--task detect', 'segment'),
    'two data files': ('name the one to read', None),
}


def prepare(root, case, scenes):
    root.mkdir()
    if case in (
        'two layouts',
        'objects and maps',
        'objects and maps for semantic',
        'coco for classify',
    ):
        layouts.write_coco(root / 'one', scenes)
    if case == 'two layouts':
        layouts.write_yolo(root / 'other', scenes)
    if 'maps' in case:
        layouts.write_maps(root / 'other', scenes)
    if case == 'photos':
        for name in 'abc':
            picture(root / '2024' / f'{name}.jpg')
    if case == 'labels alone':
        shutil.rmtree(layouts.write_yolo(root, scenes) / 'images')
    if case == 'archive inside':
        write(root / 'photos.zip', 'PK')
    if case == 'few in each folder':
        for name in 'abc':
            picture(root / name / '1.png')
    if case in ('no names', 'four corners', 'key points', 'two data files'):
        layouts.write_yolo(root, scenes)
    if case == 'no names':
        (root / 'data.yaml').unlink()
    if case == 'four corners':
        for file in (root / 'labels').rglob('*.txt'):
            write(file, '0 .1 .1 .4 .1 .4 .4 .1 .4\n')
    if case == 'key points':
        write(root / 'data.yaml', (root / 'data.yaml').read_text() + 'kpt_shape: [17, 3]\n')
    if case == 'two data files':
        shutil.copy(root / 'data.yaml', root / 'other.yaml')
    if case == 'boxes for segment':
        layouts.write_voc(root, scenes)


@pytest.mark.parametrize('case', QUESTIONS)
def test_a_doubt_is_a_question_with_its_answers(scenes, tmp_path, case):
    words, task = QUESTIONS[case]
    prepare(tmp_path / 'root', case, scenes)
    if not words:
        assert read_dataset(tmp_path / 'root', task=task).layout == 'maps'
        return
    with pytest.raises(UsageError) as error:
        read_dataset(tmp_path / 'root', task=task)
    assert words in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('name', ['a.zip', 'a.tar.gz', 'a.7z'])
def test_an_archive_is_to_be_unpacked(tmp_path, name):
    with pytest.raises(UsageError, match='unpack it'):
        read_dataset(write(tmp_path / name, 'x'))


@pytest.mark.parametrize('task, layout', [('segment', 'yolo'), ('detect', 'yolo')])
def test_the_task_answers_what_four_corners_are(scenes, tmp_path, task, layout):
    prepare(tmp_path / 'root', 'four corners', scenes)
    assert read_dataset(tmp_path / 'root', task=task).layout == layout


@pytest.mark.parametrize('layout, writer, masks, has_masks', OBJECTS, ids=IDS)
def test_images_and_labels_in_folders_of_their_own(
    scenes, tmp_path, layout, writer, masks, has_masks
):
    root = writer(tmp_path / 'root', scenes, masks)
    shutil.copytree(root, tmp_path / 'pictures')
    for file in [path for path in tmp_path.rglob('*') if path.is_file()]:
        if (file.suffix == '.png') == (root in file.parents):
            file.unlink()
    found = read_dataset(root, images=tmp_path / 'pictures', labels=root)
    assert not serious(found)
    assert objects(found) == drawn(scenes, has_masks)


@pytest.mark.parametrize(
    'layout, writer, name',
    [
        ('coco', layouts.write_coco, 'annotations/instances_train2017.json'),
        ('yolo', layouts.write_yolo, 'data.yaml'),
        ('cvat', layouts.write_cvat, 'annotations.xml'),
    ],
)
def test_a_file_of_annotations_may_be_named(scenes, tmp_path, layout, writer, name):
    found = read_dataset(writer(tmp_path, scenes) / name)
    assert found.layout == layout and found.images


def test_images_are_never_written(scenes, tmp_path):
    root = layouts.write_yolo(tmp_path, scenes)
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    read_dataset(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*')} == before
