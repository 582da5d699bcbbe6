"""classification/engine/images.py: the rules by which every task reads images."""

import io
import os

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from classification.engine.errors import DataError
from classification.engine.images import check_image, read_image, read_pil, upright_size

RANDOM = np.random.default_rng(0)


def noise(*shape, dtype=np.uint8):
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


ORDINARY = [
    *[('JPEG', dict(quality=q, subsampling=s)) for q in (20, 75, 95) for s in (0, 1, 2)],
    ('JPEG', dict(progressive=True)),
    ('PNG', {}),
    ('BMP', {}),
    ('PPM', {}),
    ('WEBP', dict(lossless=True)),
    ('WEBP', dict(quality=60)),
]


@pytest.mark.parametrize('kind, options', ORDINARY)
@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_ordinary_files_are_read_as_mmcv_does(mode, kind, options):
    """To the bit, so that models see what they were trained on."""
    for size in ((1, 1), (7, 5), (16, 16), (33, 65), (129, 64)):
        coarse = Image.fromarray(noise(*(-(-side // 8) for side in size), 3))
        picture = coarse.resize(size[::-1], Image.Resampling.BICUBIC).convert(mode)
        if mode == 'L':
            options = {k: v for k, v in options.items() if k != 'subsampling'}
        content = encode(picture, kind, **options)
        assert (read_image(content) == mmcv.imfrombytes(content, channel_order='rgb')).all()


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.pgm'])
def test_of_16_bits_the_upper_byte_is_read(suffix, tmp_path):
    values = noise(20, 30, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f'x{suffix}'), values)
    read = read_image(tmp_path / f'x{suffix}')
    assert (read == (values >> 8)[..., None]).all()
    assert (read == mmcv.imread(str(tmp_path / f'x{suffix}'))).all()


@pytest.mark.parametrize('channels', [3, 4])
def test_of_48_bits_and_more_the_upper_byte_is_read(channels, tmp_path):
    values = noise(20, 30, channels, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / 'x.png'), values)
    assert (read_image(tmp_path / 'x.png') == (values >> 8)[..., 2::-1]).all()


def test_floats_are_read_from_0_to_1(tmp_path):
    values = RANDOM.random((20, 30), dtype=np.float32)
    values[0, :2] = 0, 1
    Image.fromarray(values).save(tmp_path / 'x.tif')
    assert (read_image(tmp_path / 'x.tif') == np.rint(values * 255)[..., None]).all()


@pytest.mark.parametrize(
    'values, message',
    [
        (np.full((4, 4), 255.0, np.float32), r'x.tif has floating point values from 255 to 255'),
        (np.full((4, 4), -0.1, np.float32), r'from -0.1 to -0.1, where 0 is black'),
        (np.full((4, 4), np.nan, np.float32), r'from nan to nan'),
        (np.full((4, 4), 70000, np.int32), r'x.tif has 32-bit integers'),
    ],
)
def test_values_without_a_rule_are_refused(values, message, tmp_path):
    Image.fromarray(values).save(tmp_path / 'x.tif')
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / 'x.tif')
    check_image(tmp_path / 'x.tif')  # damaged it is not


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'CMYK'])
def test_every_mode_becomes_rgb_and_alpha_is_dropped(mode):
    picture = Image.fromarray(noise(20, 30, 3)).convert(mode)
    if mode in ('LA', 'RGBA'):
        picture.putalpha(Image.fromarray(noise(20, 30)))
    content = encode(picture, 'TIFF' if mode == 'CMYK' else 'PNG')
    expected = np.asarray(picture.convert('RGB'))
    assert (read_image(content) == expected).all()
    if mode in ('LA', 'RGBA'):
        assert (expected == np.asarray(picture)[..., [0] * 3 if mode == 'LA' else [0, 1, 2]]).all()


# Where the first row and first column of the stored pixels are in the upright picture.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: x[::-1].transpose(1, 0, 2),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: x[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize('orientation', UPRIGHT)
@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP', 'JPEG'])
def test_the_exif_orientation_is_applied(kind, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.kron(noise(3, 2, 1), np.ones((16, 16, 3), np.uint8))  # blocks survive JPEG
    path = tmp_path / 'x'
    path.write_bytes(
        encode(
            Image.fromarray(stored), kind, exif=exif, **dict(WEBP=dict(lossless=True)).get(kind, {})
        )
    )
    upright = UPRIGHT[orientation](stored)
    read = read_image(path)
    assert read.shape == upright.shape and upright_size(path) == read.shape[1::-1]
    assert abs(read.astype(int) - upright).max() <= (2 if kind == 'JPEG' else 0)
    if kind in ('JPEG', 'PNG'):
        assert (read == mmcv.imread(str(path), channel_order='rgb')).all()


def test_damaged_exif_data_are_none(tmp_path):
    picture = Image.fromarray(noise(20, 30, 3))
    for data in (b'', b'Exif\0\0', b'Exif\0\0MM\0*\xff\xff\xff\xff', b'Exif\0\0' + bytes(99)):
        content = encode(picture, 'PNG', exif=data)
        assert (read_image(content) == np.asarray(picture)).all()


def flip(content, at=-40):
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    'damage', [lambda c: c[:-8], lambda c: c[:-300], flip, lambda c: b'', lambda c: b'garbage']
)
@pytest.mark.parametrize('read', [read_image, read_pil, check_image])
def test_damaged_files_are_named(read, damage, tmp_path):
    (tmp_path / 'x.png').write_bytes(damage(encode(Image.fromarray(noise(20, 30, 3)), 'PNG')))
    with pytest.raises(DataError, match=r'x.png cannot be read as an image .*: replace or remove'):
        read(tmp_path / 'x.png')


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(DataError, match='Image .*none.png does not exist'):
        read_image(tmp_path / 'none.png')
    with pytest.raises(DataError, match='cannot be read'):
        read_image(tmp_path)
    os.mkfifo(tmp_path / 'pipe.png')
    for read in (read_image, upright_size):  # and is not waited for
        with pytest.raises(DataError, match='pipe.png cannot be read'):
            read(tmp_path / 'pipe.png')


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    Image.new('1', (20, 11)).save(tmp_path / 'x.png')
    with pytest.raises(DataError, match='x.png has too many pixels to be read at once .over 200.'):
        read_image(tmp_path / 'x.png')
