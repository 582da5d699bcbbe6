"""Images of many formats, modes, sizes, turns and damages, through reader, loading and predict.

Each is judged against its own pixels and the rules at the top of classification/engine/images.py.
"""

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from mmdet.registry import TRANSFORMS as DETECTION
from mmengine.registry import MODELS
from mmseg.registry import TRANSFORMS as SEGMENTATION
from PIL import Image

import detection  # noqa: F401  registers how mmdet's configs load images
import segmentation  # noqa: F401
from classification.datasets import ReadImage
from classification.engine.configs.loading import load_config
from classification.engine.errors import DataError
from classification.engine.images import read_image, upright_size
from classification.engine.prediction.files import predict_files
from classification.engine.prediction.predictor import Predictor
from classification.engine.prediction.sources import find_images
from tests.helpers import FIXTURES

TITLE = 'images'

ORIENTATION = 0x0112
SIDES = (1, 2, 7, 16, 31, 64, 100)
NAMES = ('x', 'with space', '[1]', 'ünïcode 图', "quote'", '%20', 'a' * 200, '-dash', '..x')

# What is made: a function of (height, width, numpy's generator) -> (stored, RGB by the rules).
Made = tuple[Image.Image | np.ndarray, np.ndarray | None]


def _grey(values: np.ndarray) -> np.ndarray:
    return values[..., None].repeat(3, axis=2)


def _bytes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def grey(h: int, w: int, rng: np.random.Generator) -> Made:
    values = _bytes(rng, h, w)
    return Image.fromarray(values), _grey(values)


def rgb(h: int, w: int, rng: np.random.Generator) -> Made:
    values = _bytes(rng, h, w, 3)
    return Image.fromarray(values), values


def rgba(h: int, w: int, rng: np.random.Generator) -> Made:
    values = _bytes(rng, h, w, 4)
    return Image.fromarray(values), values[..., :3]


def grey_alpha(h: int, w: int, rng: np.random.Generator) -> Made:
    values = _bytes(rng, h, w, 2)
    return Image.fromarray(values, 'LA'), _grey(values[..., 0])


def palette(h: int, w: int, rng: np.random.Generator) -> Made:
    values, colours = _bytes(rng, h, w), _bytes(rng, 256, 3)
    picture = Image.fromarray(values)
    picture.putpalette(colours.ravel().tolist())
    return picture, colours[values]


def one_bit(h: int, w: int, rng: np.random.Generator) -> Made:
    values = rng.random((h, w)) < 0.5
    return Image.fromarray(values), _grey(values * np.uint8(255))


def grey_16(h: int, w: int, rng: np.random.Generator) -> Made:
    values = rng.integers(0, 65536, (h, w), dtype=np.uint16)
    return Image.fromarray(values), _grey((values >> 8).astype(np.uint8))


def rgb_16(h: int, w: int, rng: np.random.Generator) -> Made:
    values = rng.integers(0, 65536, (h, w, 3), dtype=np.uint16)
    return values, (values >> 8).astype(np.uint8)


def rgba_16(h: int, w: int, rng: np.random.Generator) -> Made:
    values = rng.integers(0, 65536, (h, w, 4), dtype=np.uint16)
    return values, (values[..., :3] >> 8).astype(np.uint8)


def cmyk(h: int, w: int, rng: np.random.Generator) -> Made:
    values = _bytes(rng, h, w, 4).astype(int)
    ink, key = values[..., :3], values[..., 3:]
    expected = np.rint((255 - ink) * (255 - key) / 255).astype(np.uint8)
    return Image.fromarray(values.astype(np.uint8), 'CMYK'), expected


def float_to_1(h: int, w: int, rng: np.random.Generator) -> Made:
    values = rng.random((h, w), dtype=np.float32)
    return Image.fromarray(values), _grey(np.rint(values * 255.0).astype(np.uint8))


# Without a rule: to be refused.
def float_to_255(h: int, w: int, rng: np.random.Generator) -> Made:
    return Image.fromarray(rng.random((h, w), dtype=np.float32) * 255 + 2), None


def float_nan(h: int, w: int, rng: np.random.Generator) -> Made:
    return Image.fromarray(np.full((h, w), np.nan, np.float32)), None


def integers_32(h: int, w: int, rng: np.random.Generator) -> Made:
    return Image.fromarray(rng.integers(-99, 1 << 30, (h, w), dtype=np.int32)), None


MODES = {
    'png': (grey, rgb, rgba, grey_alpha, palette, one_bit, grey_16, rgb_16, rgba_16),
    'jpg': (grey, rgb, cmyk),
    'bmp': (grey, rgb, palette, one_bit),
    'tif': (grey, rgb, rgba, palette, one_bit, grey_16, cmyk)
    + (float_to_1, float_to_255, float_nan, integers_32),
    'webp': (rgb, rgba),
    'ppm': (grey, rgb, grey_16),
}
TURNED = {  # stored pixels -> upright ones
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def _cut(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def _cut_tail(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: -rng.randint(1, 12)])


def _flip(content: bytearray, rng: random.Random) -> bytes:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _zeros(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    content[start : start + 16] = bytes(len(content[start : start + 16]))
    return bytes(content)


def _flip_head(content: bytearray, rng: random.Random) -> bytes:
    content[rng.randrange(min(64, len(content)))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _remove(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return bytes(content[:start] + content[start + rng.randint(1, 9) :])


def _before(content: bytearray, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 9)) + content


def _after(content: bytearray, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.randint(1, 99))


def _noise(content: bytearray, rng: random.Random) -> bytes:
    return rng.randbytes(len(content))


def _noise_after_head(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[:30]) + rng.randbytes(len(content))


def _bomb(content: bytearray, rng: random.Random) -> bytes:
    """A PNG of few bytes and very many pixels."""
    size = rng.choice([(60000, 60000), (2**31 - 1, 2**31 - 1), (20000, 9000), (2**30, 1)])
    parts = [(b'IHDR', struct.pack('>IIBBBBB', *size, 8, 0, 0, 0, 0))]
    parts += [(b'IDAT', zlib.compress(bytes(99999))), (b'IEND', b'')]
    chunks = (
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunks)


DAMAGES: dict[str, Callable[[bytearray, random.Random], bytes]] = {
    'cut': _cut,
    'tail cut': _cut_tail,
    'bit flipped': _flip,
    'bit of the head flipped': _flip_head,
    'zeros': _zeros,
    'bytes removed': _remove,
    'bytes before': _before,
    'bytes after': _after,
    'noise': _noise,
    'noise after the head': _noise_after_head,
    'bomb': _bomb,
    'empty': lambda content, rng: b'',
    'web page': lambda content, rng: b'<html>404</html>',
}
USES = ('reader', 'classification', 'detection', 'segmentation')


def cases(count: int, seed: int) -> list[str]:
    """`NUMBER USE FORMAT MODE HEIGHTxWIDTH ORIENTATION DAMAGE`; of 50 one goes through predict."""
    rng, names = random.Random(seed), []
    for number in range(count):
        kind = rng.choice(list(MODES))
        use = 'predict' if number % 50 == 49 else rng.choice(USES)
        mode = rng.choice(MODES[kind]).__name__
        size = f'{rng.choice(SIDES)}x{rng.choice(SIDES)}'
        turn = rng.randint(1, 8) if kind in ('png', 'jpg', 'tif', 'webp') else 1
        damage = 'whole' if rng.random() < 0.5 else rng.choice(list(DAMAGES))
        names.append(f'{number} {use} {kind} {mode} {size} {turn} {damage}')
    return names


def run(name: str, seed: int, folder: Path) -> str:
    """Make the image, read it as `name` says, and judge what came of it."""
    rng = random.Random(f'{seed} {name}')
    _, use, kind, mode, size, turn, damage = name.split(' ', 6)
    height, width = map(int, size.split('x'))
    generator = np.random.default_rng(rng.getrandbits(64))
    stored, expected = {make.__name__: make for make in MODES[kind]}[mode](height, width, generator)
    content, turned = _encode(stored, kind, int(turn), rng)
    if expected is not None:
        expected = TURNED[turned](expected)
    if damage != 'whole':
        content = DAMAGES[damage](bytearray(content), rng)
    # Files are recognised by their content: the suffix may be wrong.
    suffix = kind if rng.random() < 0.9 else rng.choice(list(MODES))
    path = folder / f'{rng.choice(NAMES)}.{suffix}'
    path.write_bytes(content)
    if use == 'predict':
        return _predict(path, folder)
    fine = expected is not None and damage in ('whole', 'bytes after')
    try:
        read = _read(use, path)
    except DataError:
        if fine:
            return 'wrongly refused'
        raise
    if expected is not None and _equal(read, expected, content, kind, mode):
        return 'right'
    if fine or expected is None and damage == 'whole':
        return 'silent'
    # A PNG carries sums; of the others nobody can tell that their values were changed.
    return 'silent' if kind == 'png' and expected is not None else 'unknowable'


def _encode(
    stored: Image.Image | np.ndarray, kind: str, turn: int, rng: random.Random
) -> tuple[bytes, int]:
    """(content of a file, the orientation that it states)."""
    if isinstance(stored, np.ndarray):  # 48 and 64 bits, which Pillow does not write
        order = [2, 1, 0, 3][: stored.shape[2]]
        return cv2.imencode('.png', stored[..., order])[1].tobytes(), 1
    options = {
        'png': dict(compress_level=1),
        'jpg': dict(quality=95, subsampling=0),
        'webp': dict(lossless=True, exact=True),
        'tif': dict(compression=rng.choice([None, 'tiff_lzw', 'tiff_adobe_deflate'])),
    }.get(kind, {})
    if stored.mode in ('F', 'I', 'I;16', 'CMYK') and kind == 'tif':
        options = {}
    exif = Image.Exif()
    if kind in ('png', 'jpg', 'tif', 'webp'):
        exif[ORIENTATION] = turn
        options['exif'] = exif
    file = io.BytesIO()
    name = dict(jpg='JPEG', tif='TIFF').get(kind, kind.upper())
    stored.save(file, name, **options)
    return file.getvalue(), turn


def _read(use: str, path: Path) -> np.ndarray:
    """(H, W, 3), RGB, as a task loads it."""
    if use == 'reader':
        read = read_image(path)
        if upright_size(path) != read.shape[1::-1]:
            return np.zeros((0, 0, 3), np.uint8)
        return read
    if use == 'classification':
        return np.asarray(ReadImage()(dict(img_path=str(path)))['img'])
    registry = DETECTION if use == 'detection' else SEGMENTATION
    loaded = registry.get('LoadImageFromFile')()(dict(img_path=str(path)))
    assert loaded['img_shape'] == loaded['ori_shape'] == loaded['img'].shape[:2]
    return loaded['img'][..., ::-1]


def _equal(read: np.ndarray, expected: np.ndarray, content: bytes, kind: str, mode: str) -> bool:
    """Whether what was read is right, for JPEG by what mmcv reads."""
    if kind == 'jpg' and mode != 'cmyk':
        expected = mmcv.imfrombytes(content, channel_order='rgb')
    if read.shape != expected.shape:
        return False
    # CMYK is rounded in another order of the sums; in JPEG noise suffers much.
    limit = 0 if mode != 'cmyk' else 1 if kind == 'tif' else 40
    return np.abs(read.astype(int) - expected).max() <= limit


def _predict(path: Path, folder: Path) -> str:
    """The image between two good ones, which must be predicted whatever it is."""
    images = folder / 'images'
    images.mkdir()
    path.rename(images / path.name)
    for name in ('1.png', '2.png'):
        Image.new('RGB', (40, 40), (200, 9, 9)).save(images / name)
    cfg = load_config(FIXTURES / 'classification.py')
    meta = dict(dataset_meta=dict(classes=[str(i) for i in range(10)]))
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(meta=meta, state_dict=state), folder / 'weights.pth')
    sources, _ = find_images([images])
    predictor = Predictor(cfg, folder / 'weights.pth', 'cpu')
    failed = predict_files(predictor, sources, folder / 'out', batch_size=2).failed
    results = json.loads((folder / 'out/results.json').read_text())
    done = {result['file_name'] for result in results}
    if not all(str(images / name) in done for name in ('1.png', '2.png')):
        return 'silent'
    overlays = sum(file.is_file() for file in (folder / 'out/overlays').rglob('*'))
    return (
        'right' if len(sources) == len(done) + len(failed) == overlays + len(failed) else 'silent'
    )
