"""engine/prediction/tars.py: images of tar files in order, and what is not read of them."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classification.engine.errors import DataError
from classification.engine.prediction import tars
from classification.engine.prediction.tars import Tar

PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def png():
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, 'png')
    return file.getvalue()


def add(tar, name, content=None, **attributes):
    member = tarfile.TarInfo(name)
    content = png() if content is None else content
    member.size = len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content) if member.isreg() else None)


def read(path):
    """name -> the picture is right, or the reason."""
    found = {}
    for source in Tar(str(path), Path('t')):
        assert source.file_name.startswith(str(path))
        try:
            found[str(source.name)] = bool((source.read() == PICTURE).all())
        except DataError as error:
            found[str(source.name)] = str(error)
    return found


@pytest.mark.parametrize('form', [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_come_in_order(form, tmp_path):
    names = ['b.png', 'a/c.PNG', f'{"deep/" * 30}long.jpg', 'a/dé.jpeg']
    with tarfile.open(tmp_path / 'x.tar', 'w', format=form) as tar:
        add(tar, 'a', b'', type=tarfile.DIRTYPE)
        for name in names:
            add(tar, f'{name}.json', b'{}')
            add(tar, name)
    found = read(tmp_path / 'x.tar')
    assert [*found] == ['t/' + name.rsplit('.', 1)[0] for name in names]
    assert all(value is True for value in found.values())


def test_members_of_one_name_are_kept_apart(tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        for name in ('a.png', 'a.jpg', 'a.png', 'a.png', './b.png'):
            add(tar, name)
    assert [*read(tmp_path / 'x.tar')] == ['t/a', 't/a.jpg', 't/a.png', 't/a.png-2', 't/b']


@pytest.mark.parametrize(
    'name, attributes, reason',
    [
        ('a.png', dict(type=tarfile.SYMTYPE, linkname='/etc/passwd'), 'is a link'),
        ('a.png', dict(type=tarfile.LNKTYPE, linkname='first.png'), 'is a link'),
        ('link', dict(type=tarfile.SYMTYPE, linkname='/etc'), 'is a link'),
        ('a.png', dict(type=tarfile.CHRTYPE), 'is no ordinary file'),
        ('a.png', dict(type=tarfile.FIFOTYPE), 'is no ordinary file'),
        ('/a.png', {}, 'has a name that leads out of the tar file'),
        ('../a.png', {}, 'has a name that leads out of the tar file'),
        ('b/../../a.png', {}, 'has a name that leads out of the tar file'),
    ],
)
def test_hostile_members_cost_no_other(name, attributes, reason, tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        add(tar, 'first.png')
        add(tar, name, **attributes)
        add(tar, 'last.png')
    first, hostile, last = read(tmp_path / 'x.tar').items()
    assert first == ('t/first', True) and last == ('t/last', True)
    assert f'{name} {reason}' in hostile[1]
    assert '..' not in hostile[0] and hostile[0].startswith('t/')


def test_a_huge_image_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, '_LARGEST', 1 << 20)
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        add(tar, 'a.png', bytes((1 << 20) + 1))
        add(tar, 'b.png')
    found = read(tmp_path / 'x.tar')
    assert 'a.png has 1 MB, more than 1: shrink it' in found['t/a'] and found['t/b'] is True


@pytest.mark.parametrize('kind', [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_says_it_is_huge(kind, tmp_path):
    with tarfile.open(tmp_path / 'x.tar', 'w') as tar:
        add(tar, 'a.png')
    header = tarfile.TarInfo('x')
    header.type, header.size = kind, 1 << 40
    whole = (tmp_path / 'x.tar').read_bytes()
    at = 512 + -(-len(png()) // 512) * 512
    (tmp_path / 'x.tar').write_bytes(whole[:at] + header.tobuf(tarfile.GNU_FORMAT) + whole[at:] * 2)
    found = read(tmp_path / 'x.tar')
    assert found['t/a'] is True
    assert 'x.tar cannot be read on (a header of' in found['t']


@pytest.mark.parametrize('cut', ['in an image', 'no tar', 'empty', 'compressed'])
def test_damage(cut, tmp_path):
    path = tmp_path / 'x.tar'
    with tarfile.open(path, 'w:gz' if cut == 'compressed' else 'w') as tar:
        add(tar, 'a.png')
        add(tar, 'b.png')
    content = path.read_bytes()
    if cut == 'in an image':
        path.write_bytes(content[: 512 + 512 * -(-len(png()) // 512) + 520])
        assert read(path)['t/a'] is True
    elif cut != 'compressed':
        path.write_bytes(b'x' * 2000 if cut == 'no tar' else b'')
    assert 'x.tar cannot be read on (' in read(path)['t']
