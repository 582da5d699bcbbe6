"""What is written for a training: its images, their annotations, and rare ones several times."""

import json

import pytest

from classification.annotations.records import AnnotatedImage, Annotations, Instance
from classification.engine.errors import UsageError
from classification.finetuning.data import repeat_rare, write_data
from classification.finetuning.run import task_for
from classification.finetuning.trial import Trial, largest_batch
from tests.helpers import picture


def images(tmp_path, count=4, **options):
    for i in range(count):
        picture(tmp_path / f'photo {i}.png')
    return [
        AnnotatedImage(
            tmp_path / f'photo {i}.png', (40, 36), split='val' if i == 0 else 'train', **options
        )
        for i in range(count)
    ]


def test_lists_of_classes(tmp_path):
    found = images(tmp_path, label=1)
    annotations = Annotations('folders', tmp_path, ['cat', 'dog'], found)
    data = write_data('classify', annotations, [*found[1:], found[1]], tmp_path / 'out')
    assert data.classes == ('cat', 'dog') and len(data.palette) == 2
    assert data.val.read_text() == f'{tmp_path / "photo 0.png"} 1\n'
    lines = data.train.read_text().splitlines()
    assert len(lines) == 4 and lines[0] == lines[3] == f'{tmp_path / "photo 1.png"} 1'


def test_files_of_objects(tmp_path):
    found = images(tmp_path, instances=[Instance(1, (1.0, 2.0, 11.0, 12.0))])
    annotations = Annotations('yolo', tmp_path, ['cat', 'dog'], found)
    data = write_data('detect', annotations, [*found[1:], found[1]], tmp_path / 'out')
    content = json.loads(data.train.read_text())
    assert [image['id'] for image in content['images']] == [1, 2, 3, 4]
    assert content['images'][0]['file_name'] == content['images'][3]['file_name']
    assert {one['category_id'] for one in content['annotations']} == {2}
    assert len(json.loads(data.val.read_text())['images']) == 1


@pytest.mark.parametrize(
    'labels, repeats',
    [
        ([0] * 10, [1] * 10),
        ([0] * 99 + [1], [1] * 99 + [4]),  # sqrt(.1 / .01) = 3.2
        ([0] * 19 + [1], [1] * 19 + [2]),
        ([None] * 3, [1] * 3),
    ],
)
def test_images_of_rare_classes_are_repeated(tmp_path, labels, repeats):
    found = [AnnotatedImage(tmp_path / f'{i}', label=label) for i, label in enumerate(labels)]
    repeated = repeat_rare(found, 2)
    assert [repeated.count(image) for image in found] == repeats


BOX = Instance(0, (0.0, 0.0, 9.0, 9.0))
OUTLINE = Instance(0, (0.0, 0.0, 9.0, 9.0), polygons=[[0.0, 0, 9, 0, 9, 9]])


@pytest.mark.parametrize(
    'options, task',
    [
        (dict(instances=[BOX]), 'detect'),
        (dict(instances=[OUTLINE]), 'segment'),
        (dict(instances=[BOX, OUTLINE]), 'detect'),
        (dict(map='map.png'), 'semantic'),
        (dict(label=0), 'classify'),
        (dict(label=0, instances=[BOX]), None),
        (dict(), None),
    ],
)
def test_the_task_is_what_the_annotations_allow(tmp_path, options, task):
    annotations = Annotations('coco', tmp_path, ['cat'], [AnnotatedImage(tmp_path, **options)])
    if task:
        assert task_for(annotations) == task
    else:
        with pytest.raises(UsageError, match='by --task'):
            task_for(annotations)


@pytest.mark.parametrize(
    'available, most, batch', [(10, 16, 1), (12, 16, 2), (100, 16, 16), (60, 64, 32), (1, 16, 1)]
)
def test_the_batch_fits_into_the_memory(available, most, batch):
    trials = [Trial(1, 1.0, 11, 1.0), Trial(2, 1.0, 12, 1.0)]
    assert largest_batch(trials, available, most) == batch


def test_a_batch_that_ran_out_of_memory_is_not_exceeded():
    assert largest_batch([Trial(8, 1.0, 11, 1.0)], available=100, most=64) == 8
