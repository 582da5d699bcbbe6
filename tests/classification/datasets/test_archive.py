"""classification/datasets/archive.py: archives hold what their folder holds."""

import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from classification.datasets import archive
from classification.datasets.archive import _open_zip
from classification.engine.errors import DataError
from tests.helpers import image_dataset, listing, picture


def pack(root, kind, prefix='', compress=False):
    """`root` as an archive beside it, with `prefix` before the names."""
    path = root.with_suffix(f'.{kind}')
    if kind == 'zip':
        how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, 'w', how) as file:
            for member in sorted(root.rglob('*'), reverse=True):
                file.write(member, f'{prefix}{member.relative_to(root)}')
    else:
        with tarfile.open(path, 'w:gz' if compress else 'w') as file:
            file.add(root, prefix or '.')
    return path


def archive_dataset(path, **kwargs):
    return image_dataset(path, 'ImageArchive', **kwargs)


@pytest.mark.parametrize(
    'kind, prefix, compress',
    [
        ('tar', '', False),
        ('tar', 'train', False),
        ('tar', './', False),
        ('zip', '', False),
        ('zip', 'train/', False),
        ('zip', '', True),
        ('zip', '/', False),
    ],
)
def test_an_archive_is_the_folder(folder, kind, prefix, compress):
    """The same classes, order and images, read by several workers that the process forks."""
    path = pack(folder, kind, prefix, compress)
    before = {file: file.stat().st_mtime_ns for file in folder.parent.rglob('*')}
    expected, dataset = image_dataset(folder), archive_dataset(path)
    assert dataset.metainfo == expected.metainfo
    assert listing(dataset) == listing(expected)
    dataset[0]  # opened before the workers are forked
    loaders = [
        torch.utils.data.DataLoader(d, num_workers=workers, batch_size=1)
        for d, workers in ((expected, 0), (dataset, 2))
    ]
    for ours, theirs in zip(*loaders, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert {file: file.stat().st_mtime_ns for file in folder.parent.rglob('*')} == before


def test_each_process_opens_a_zip_itself(folder, monkeypatch):
    """Forked processes share one file offset: a seek in one would move the others."""
    dataset = archive_dataset(pack(folder, 'zip'))
    dataset[0], dataset[1]
    opened = _open_zip.cache_info().misses
    monkeypatch.setattr('os.getpid', lambda: -1)
    dataset[0], dataset[1]
    assert _open_zip.cache_info().misses == opened + 1


def test_a_tar_of_tars(folder):
    """As ImageNet's training images come: n01440764.tar, … in one."""
    with tarfile.open(folder.parent / 'whole.tar', 'w') as whole:
        for name in 'cab':
            with tarfile.open(folder / f'{name}.tar', 'w') as one:
                one.add(folder / name, '.')
            whole.add(folder / f'{name}.tar', f'{name}.tar')
    expected, dataset = (
        image_dataset(folder),
        archive_dataset(folder.parent / 'whole.tar'),
    )
    assert listing(dataset) == listing(expected)
    for i in range(len(expected)):
        torch.testing.assert_close(dataset[i], expected[i], rtol=0, atol=0)


def test_absolute_names_lose_their_slash(folder):
    content = (folder / 'b/2.png').read_bytes()
    with tarfile.open(folder.parent / 'x.tar', 'w') as file:
        info = tarfile.TarInfo('/b/2.png')
        info.size = len(content)
        file.addfile(info, io.BytesIO(content))
    assert listing(archive_dataset(folder.parent / 'x.tar')) == [('b/2.png', 0)]


def test_an_archive_is_never_unpacked(tmp_path):
    """Names that lead elsewhere, and links, are no images; the others are labels only."""
    picture(tmp_path / 'a/1.png')
    with tarfile.open(tmp_path / 'x.tar', 'w') as file:
        for name in ('../../evil/1.png', 'a/../../b/1.png', 'a/1.png'):
            file.add(tmp_path / 'a/1.png', name)
        link = tarfile.TarInfo('c/1.png')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        file.addfile(link)
    before = set(tmp_path.rglob('*'))
    dataset = archive_dataset(tmp_path / 'x.tar')
    assert dataset.metainfo['classes'] == ['a'] and len(dataset) == 1
    dataset[0]
    assert set(tmp_path.rglob('*')) == before


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_images(path):
    path.unlink()
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a/notes.txt', 'none')


def no_folders(path):
    with zipfile.ZipFile(path, 'a') as file:
        file.writestr('1.png', 'none')


@pytest.mark.parametrize(
    'damage, message',
    [
        (Path.unlink, 'train.zip does not exist: put it there'),
        (half, r'train.zip is damaged, or no .zip and no uncompressed .tar \(.*make it again'),
        (lambda path: path.write_text('<html>'), 'train.zip is damaged'),
        (no_images, r'train.zip has no images \(.*expected CLASS/NAME'),
        (no_folders, 'or some outside of folders'),
    ],
)
def test_bad_archives(folder, damage, message):
    path = pack(folder, 'zip')
    damage(path)
    with pytest.raises(DataError, match=message):
        archive_dataset(path)


def test_bad_tars(folder):
    path = pack(folder, 'tar', compress=True)
    with pytest.raises(DataError, match='train.tar is damaged, or no .zip and no uncompressed'):
        archive_dataset(path)
    half(pack(folder, 'tar'))
    with pytest.raises(DataError, match='train.tar is damaged'):
        archive_dataset(path)


@pytest.mark.parametrize('kind', ['tar', 'zip'])
def test_a_damaged_image_in_an_archive_is_named(folder, kind):
    (folder / 'b/2.png').write_text('<html>')
    path = pack(folder, kind)
    dataset = archive_dataset(path)
    index = [name for name, _ in listing(dataset)].index('b/2.png')
    message = rf'train.{kind}/b/2.png cannot be read as an image .*replace or remove'
    with pytest.raises(DataError, match=message):
        dataset[index]
    with pytest.raises(DataError, match='train.*c is none of the 2 classes'):
        archive_dataset(path, metainfo=dict(classes=['a', 'b']))
    path.write_bytes(b'')  # replaced while it is in use
    with pytest.raises(DataError, match=r'a/2.jpg cannot be read as an image'):
        _open_zip.cache_clear()
        dataset[0]


def test_an_entry_that_unpacks_to_far_more_than_the_archive_is_refused(folder, monkeypatch):
    path = folder.parent / 'x.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('a/1.png', bytes(10_000_000))
    monkeypatch.setattr(archive, '_LARGEST', 1_000_000)
    with pytest.raises(DataError, match='x.zip/a/1.png would unpack to 10000000 bytes'):
        archive_dataset(path)


def test_an_entry_that_lies_about_its_size_is_not_unpacked(folder):
    """Python's own read() unpacks all of it before it looks at the size."""
    path = folder.parent / 'x.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('a/1.png', bytes(200_000_000))
    content = path.read_bytes()
    path.write_bytes(content.replace((200_000_000).to_bytes(4, 'little'), b'\x10\0\0\0'))
    dataset = archive_dataset(path)
    tracemalloc.start()
    with pytest.raises(DataError, match='a/1.png cannot be read as an image'):
        dataset[0]
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize('kind', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_kinds_that_cannot_be_unpacked_in_bounds_are_refused(kind, folder):
    with zipfile.ZipFile(folder.parent / 'x.zip', 'w', kind) as file:
        file.write(folder / 'b/2.png', 'b/2.png')
    with pytest.raises(DataError, match='b/2.png cannot be read as an image'):
        archive_dataset(folder.parent / 'x.zip')[0]


def test_tars_in_tars_in_tars_are_no_folders(folder):
    inner = folder / 'b/2.png'
    for name in ('1.tar', '2.tar', '3.tar'):
        with tarfile.open(folder.parent / name, 'w') as file:
            file.add(inner, f'b/{inner.name}')
        inner = folder.parent / name
    assert len(archive_dataset(folder.parent / '1.tar')) == 1
    assert len(archive_dataset(folder.parent / '2.tar')) == 1
    with pytest.raises(DataError, match='3.tar has no images'):
        archive_dataset(folder.parent / '3.tar')
