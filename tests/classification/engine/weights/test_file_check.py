"""engine/weights/file_check.py: files that are refused before they are read."""

import gzip
import zipfile

import pytest
import torch

from classification.engine.weights.formats import read_checkpoint
from tests.checkpoints import STATE, assert_loads, assert_refused

DAMAGED = 'is truncated, damaged or not a checkpoint: download or save it again'


def data_offset(path, name):
    """Where the bytes of an entry begin in a zip file."""
    with zipfile.ZipFile(path) as archive:
        (entry,) = (e for e in archive.infolist() if e.filename.endswith(name))
    head = path.read_bytes()[entry.header_offset :][:30]
    lengths = [int.from_bytes(head[i : i + 2], 'little') for i in (26, 28)]
    return entry.header_offset + 30 + sum(lengths)


def packed(path, compression):
    """The same content in a zip file that is packed, or not."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize('entry', ['data/0', 'data.pkl', 'byteorder', '/version'])
def test_a_flipped_bit(save, entry):
    path = save({'model': STATE})
    content = bytearray(path.read_bytes())
    content[data_offset(path, entry)] ^= 1
    path.write_bytes(content)
    assert_refused(path, DAMAGED)


def test_files_that_torch_wrote_without_sums(save):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = save({'model': STATE})
    finally:
        torch.serialization.set_crc32_options(before)
    assert_loads(path)


def test_entries_that_unpack_to_more_than_the_file(save):
    path = save({'weight': torch.zeros(1_000_000)})
    packed(path, zipfile.ZIP_DEFLATED)
    assert_refused(path, r'unpacks to \d+ bytes, more than it has: refused')
    path = save({'model': STATE})
    packed(path, zipfile.ZIP_STORED)
    assert_loads(path)


def test_two_entries_of_one_name(save):
    path = save({'model': STATE})
    with zipfile.ZipFile(path, 'a') as archive, pytest.warns(UserWarning, match='Duplicate'):
        archive.writestr('file/version', b'3\n')
    assert_refused(path, DAMAGED)


def test_a_file_compressed_by_gzip(save):
    path = save({'model': STATE})
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert_refused(path, 'is compressed by gzip: unpack it with gunzip')


@pytest.mark.parametrize('source', ['x' * 5000, 'a/' * 2500 + 'b.pth', 'zero\0byte.pth'])
def test_paths_that_no_file_can_have(source):
    with pytest.raises(RuntimeError, match='does not exist: check the path') as caught:
        read_checkpoint(source)
    assert len(str(caught.value)) < 3500 and '\0' not in str(caught.value)


def test_a_folder(tmp_path):
    assert_refused(tmp_path, 'does not exist: check the path')
