"""classification/datasets/folder.py: what is found, what is refused, and batches for the model."""

from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from classification.engine.errors import DataError
from tests.helpers import image_dataset, listing, picture


@pytest.fixture
def root(tmp_path):
    for i, name in enumerate(['b/2.png', 'b/10.JPEG', 'a/deep/1.jpg', 'c/1.png', '.cache/1.png']):
        picture(tmp_path / name, seed=i)
    (tmp_path / 'b/notes.txt').write_text('no image')
    (tmp_path / 'README').write_text('no class')
    return tmp_path


def test_image_folder(root):
    dataset = image_dataset(root)
    assert dataset.metainfo['classes'] == ['a', 'b', 'c']
    assert listing(dataset) == [
        ('a/deep/1.jpg', 0),
        ('b/10.JPEG', 1),
        ('b/2.png', 1),
        ('c/1.png', 2),
    ]
    assert dataset[1]['inputs'].shape == (3, 32, 32) and dataset[1]['targets'] == 1


def test_named_classes(root, tmp_path):
    """An order of its own, and classes without a folder keep their place."""
    names = ['c', 'missing', 'b', 'a']
    (tmp_path / 'classes.txt').write_text('\n'.join(names))
    for classes in (names, str(tmp_path / 'classes.txt')):
        dataset = image_dataset(root, metainfo=dict(classes=classes))
        assert dataset.metainfo['classes'] == names
        assert [label for _, label in listing(dataset)] == [3, 2, 2, 0]


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda root: root / 'nowhere', r'nowhere does not exist: put'),
        (lambda root: root / 'a/deep', r'deep has no folders'),
        (
            lambda root: (root / 'd').mkdir() or root,
            r'/d holds no image \(.*\.jpg.*remove the folder',
        ),
        (lambda root: (root / 'c/1.png').unlink() or root, r'/c holds no image'),
    ],
)
def test_bad_folder(root, damage, message):
    folder = damage(root)
    with pytest.raises(DataError, match=message):
        image_dataset(folder)


def test_hidden_files_are_no_images(root):
    """macOS writes ._NAME beside each image that it copies to foreign disks."""
    (root / 'b/._2.png').write_bytes(b'Mac OS X')
    (root / 'b/.trash').mkdir()
    picture(root / 'b/.trash/3.png')
    assert [name for name, label in listing(image_dataset(root)) if label == 1] == [
        'b/10.JPEG',
        'b/2.png',
    ]


@pytest.mark.parametrize('link, target', [('a/up', '..'), ('a/other', '../b'), ('d', 'b')])
def test_a_link_into_the_dataset_is_refused(root, link, target):
    """It would give the images of one class another class's label as well."""
    (root / link).symlink_to(target, target_is_directory=True)
    with pytest.raises(DataError, match=f'{link} is a link into the dataset itself'):
        image_dataset(root)


def test_links_to_images_elsewhere_are_followed(root, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    picture(other / 'deep/9.png')
    (root / 'c/more').symlink_to(other, target_is_directory=True)
    (root / 'd').symlink_to(other, target_is_directory=True)
    names = [name for name, _ in listing(image_dataset(root))]
    assert names[-3:] == ['c/1.png', 'c/more/deep/9.png', 'd/deep/9.png']


def test_unknown_class(root):
    with pytest.raises(DataError, match='/c is none of the 2 classes'):
        image_dataset(root, metainfo=dict(classes=['a', 'b']))


def cut(path):
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    'damage',
    [cut, Path.unlink, lambda path: path.write_text('<html>'), lambda path: path.write_bytes(b'')],
)
@pytest.mark.parametrize('name', ['b/2.png', 'b/10.JPEG'])
def test_unreadable_image(root, name, damage):
    dataset = image_dataset(root)
    damage(root / name)
    index = [path for path, _ in listing(dataset)].index(name)
    with pytest.raises(DataError, match=f'{name} (cannot be read as an image .*: rep|does not)'):
        dataset[index]


def test_batches(root):
    """What the model gets."""
    loader = Runner.build_dataloader(
        dict(
            dataset=image_dataset(root),
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler'),
            collate_fn=dict(type='default_collate'),
        )
    )
    batch = next(iter(loader))
    assert batch['inputs'].shape == (4, 3, 32, 32)
    assert batch['targets'].dtype == torch.int64
    assert sorted(batch['targets'].tolist()) == [0, 1, 1, 2]


def test_unreadable_image_in_a_worker(root):
    """The worker's report ends with the sentence, which is what the tools print."""
    dataset = image_dataset(root)
    (root / 'c/1.png').write_bytes(b'')
    batches = iter(torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=1))
    with pytest.raises(DataError) as error:
        next(batches)
    assert 'c/1.png cannot be read' in str(error.value).strip().splitlines()[-1]
    error.value.__traceback__ = None  # it holds the worker, which would be waited for at the end
