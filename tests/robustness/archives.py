"""Archives of images: names, kinds of entries, sizes, damages; all that is listed must be right."""

import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from classification.datasets import ImageArchive
from classification.datasets.transforms import ReadImage
from classification.engine.errors import DataError

TITLE = 'archives of images'
MEMORY_LIMIT = 1 << 30


def _picture(number: int) -> bytes:
    """A PNG whose pixels all are `number`."""
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), number, np.uint8)).save(file, 'PNG')
    return file.getvalue()


# Names of entries, and the class that they are of, None of those that are no images.
NAMES: dict[str, str | None] = {
    'a/{}.png': 'a',
    'b/{}.PNG': 'b',
    'b/deep/{}.png': 'b',
    './a/{}.png': 'a',
    '/a/{}.png': 'a',
    '//b/{}.png': 'b',
    'a//{}.png': 'a',
    'a/./{}.png': 'a',
    'a/../b/{}.png': 'b',
    'c c/{}.png': 'c c',
    'ü/{}.png': 'ü',
    'a/{}.txt': None,
    'a/.{}.png': None,
    'a/._{}.png': None,
    '.git/{}.png': None,
    '__MACOSX/a/{}.png': None,
    '../a/{}.png': None,
    '../../etc/{}.png': None,
    '/../a/{}.png': None,
}


def _plain(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content)


def _cut(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def _flip(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _flip_directory(content: bytearray, rng: random.Random) -> bytes:
    """In the list of a zip, which stands at its end."""
    content[-rng.randint(1, min(300, len(content)))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _zeros(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    content[start : start + 64] = bytes(len(content[start : start + 64]))
    return bytes(content)


def _ones(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    content[start : start + 8] = b'\xff' * len(content[start : start + 8])
    return bytes(content)


def _lie_about_sizes(content: bytearray, rng: random.Random) -> bytes:
    """Put other sizes into a tar's headers, with right sums, or into a zip's list."""
    size = rng.choice([0, 1, 1 << 20, (1 << 31) + 7, (1 << 33) - 1])
    if content[257:262] == b'ustar':
        content[124:136] = b'%011o\0' % size
        content[148:156] = b' ' * 8
        content[148:156] = b'%06o\0 ' % sum(content[:512])
    else:
        at = content.find(b'PK\1\2')
        content[at + 24 : at + 28] = (size % (1 << 32)).to_bytes(4, 'little')
    return bytes(content)


def _negative_size(content: bytearray, rng: random.Random) -> bytes:
    """A tar's size as a negative number of base 256."""
    if content[257:262] == b'ustar':
        content[124:136] = b'\xff' * 4 + rng.randbytes(8)
        content[148:156] = b' ' * 8
        content[148:156] = b'%06o\0 ' % sum(content[:512])
    return bytes(content)


DAMAGES: dict[str, Callable[[bytearray, random.Random], bytes]] = {
    'cut': _cut,
    'bits flipped': _flip,
    'bits of the end flipped': _flip_directory,
    'zeros': _zeros,
    'ones': _ones,
    'other sizes': _lie_about_sizes,
    'negative size': _negative_size,
    'noise': lambda content, rng: rng.randbytes(len(content)),
    'empty': lambda content, rng: b'',
    'web page': lambda content, rng: b'<html>404</html>',
}


def _bomb(add: Callable[[str, bytes], None]) -> None:
    add('a/bomb.png', bytes(300 << 20))


KINDS = ('tar', 'pax', 'gnu', 'tar of tars', 'stored', 'deflated', 'bzip2', 'lzma')
SPECIAL = ('link', 'hard link', 'device', 'fifo', 'folder', 'twice', 'bad image')


def cases(count: int, seed: int) -> list[str]:
    """`NUMBER KIND SPECIAL ENTRY; DAMAGE`; one of 100 is a bomb."""
    rng, names = random.Random(seed), []
    for number in range(count):
        damage = 'bomb' if number % 100 == 99 else rng.choice(['none', 'none', *DAMAGES])
        kind = 'deflated' if damage == 'bomb' else rng.choice(KINDS)
        names.append(f'{number} {kind}; {rng.choice(["plain", *SPECIAL])}; {damage}')
    return names


def run(name: str, seed: int, folder: Path) -> str:
    """Make an archive, list it as a dataset, read all images, and compare with what is in it."""
    rng = random.Random(f'{seed} {name}')
    kind, special, damage = name.split(' ', 1)[1].split('; ')
    entries, expected = _entries(rng)
    make = _make_zip if kind in ('stored', 'deflated', 'bzip2', 'lzma') else _make_tar
    content = make(kind, special, entries, damage == 'bomb')
    content = DAMAGES.get(damage, _plain)(bytearray(content), rng)
    path = folder / ('x.zip' if make is _make_zip else 'x.tar')
    path.write_bytes(content)
    before = sorted(folder.parent.glob(f'{folder.name}*')), sorted(folder.rglob('*'))
    fine = damage == 'none' and kind not in ('bzip2', 'lzma')
    try:
        found = _read_all(path)
    except DataError:
        if fine and expected:
            return 'wrongly refused'
        raise
    finally:
        assert before == (sorted(folder.parent.glob(f'{folder.name}*')), sorted(folder.rglob('*')))
    if fine:
        return 'right' if found == expected else 'silent'
    # Of a damaged archive entries may be missing; a zip knows when those that are there are wrong.
    if all(number is None or expected.get(where) == number for where, number in found.items()):
        return 'right'
    return 'unknowable'


def _entries(rng: random.Random) -> tuple[dict[str, bytes], dict[tuple[str, str], int]]:
    """({name in the archive: content}, {(class, name of the image): its number})."""
    entries, expected = {}, {}
    # The first two make sure that there is no single top folder, which would be skipped.
    forms = ['a/{}.png', 'c c/{}.png', *rng.choices(list(NAMES), k=rng.randint(0, 8))]
    for number, form in enumerate(forms):
        entries[form.format(number)] = _picture(number)
        label = NAMES[form]
        if label is not None:
            expected[label, form.format(number).rpartition('/')[2]] = number
    return entries, expected


def _make_zip(kind: str, special: str, entries: dict[str, bytes], bomb: bool) -> bytes:
    methods = dict(stored=zipfile.ZIP_STORED, bzip2=zipfile.ZIP_BZIP2, lzma=zipfile.ZIP_LZMA)
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', methods.get(kind, zipfile.ZIP_DEFLATED)) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if special == 'folder':
            archive.mkdir('a/folder.png') if hasattr(archive, 'mkdir') else None
        if special == 'link':
            info = zipfile.ZipInfo('a/notes.lnk')
            info.external_attr = 0o120777 << 16
            archive.writestr(info, '/etc/passwd')
        if bomb:
            _bomb(archive.writestr)
    return file.getvalue()


def _make_tar(kind: str, special: str, entries: dict[str, bytes], bomb: bool) -> bytes:
    form = dict(pax=tarfile.PAX_FORMAT, gnu=tarfile.GNU_FORMAT).get(kind, tarfile.USTAR_FORMAT)
    if kind == 'tar of tars':
        inner: dict[str, dict[str, bytes]] = {}
        for name, content in entries.items():
            top, _, rest = name.lstrip('/').removeprefix('./').partition('/')
            inner.setdefault(f'{top}.tar', {})[rest] = content
        entries = {name: _make_tar('tar', 'plain', inner[name], False) for name in inner}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=form) as archive:

        def add(name: str, content: bytes = b'', **fields: Any) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))

        for name, content in entries.items():
            add(name, content)
        types = {
            'link': tarfile.SYMTYPE,
            'hard link': tarfile.LNKTYPE,
            'device': tarfile.CHRTYPE,
            'fifo': tarfile.FIFOTYPE,
            'folder': tarfile.DIRTYPE,
        }
        if special in types:
            add('a/special.png', type=types[special], linkname='/etc/passwd')
        if special == 'twice' and entries:
            name, content = next(iter(entries.items()))
            add(name, content)
    return file.getvalue()


def _read_all(path: Path) -> dict[tuple[str, str], int | None]:
    """{(class, name of the image): its number, None of one that is refused}."""
    dataset = ImageArchive(data_root=str(path), pipeline=[])
    found: dict[tuple[str, str], int | None] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        label = dataset.metainfo['classes'][info['gt_label']]
        where = label, info['img_path'].rpartition('/')[2]
        try:
            found[where] = np.asarray(ReadImage()(info)['img'])[0, 0, 0].item()
        except DataError:
            found[where] = None
    return found
