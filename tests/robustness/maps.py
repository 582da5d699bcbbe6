"""Maps of classes: modes, sizes, values, suffixes and damage of the files, and missing partners.

Two images with maps are written, one thing is done to them, and they are used as before a training:
checked, then read by mmseg's own dataset. What is valid must give the same labels. All else is
refused or reported.
"""

import os
import random

import numpy as np
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.utils import register_all_modules
from PIL import Image

from classification.annotations.layouts.maps import read_maps, write_maps
from classification.annotations.problems.problem import Severity
from segmentation.checks import check_dataset, read_annotations

TITLE = 'maps of classes'
register_all_modules(init_default_scope=False)  # once, not in every case

WIDTH, HEIGHT = 48, 40
CLASSES = ('ground', 'cat', 'dog')
# Another map may come of these, which is right in itself.
UNKNOWABLE = ('bytes changed', 'one bit', '0 and 255')


def _labels(number):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[5 : 15 + number, 4:20] = 1
    labels[20:35, 10 : 40 - number] = 2
    labels[:, 46:] = 255
    return labels


def _change(function):
    """A mutation of the file of one map, by a function of its labels and of chance."""

    def apply(image, file, rng):
        result = function(_labels(1), rng)
        (result if isinstance(result, Image.Image) else Image.fromarray(result)).save(file)

    return apply


def _with_palette(labels, rng):
    image = Image.fromarray(labels, 'P')
    image.putpalette([rng.randrange(256) for _ in range(768)])
    return image


def _with_value(labels, rng):
    labels[rng.randrange(HEIGHT), rng.randrange(WIDTH)] = rng.randrange(3, 255)
    return labels


def _wide_value(labels, rng):
    wide = labels.astype(np.uint16)
    wide[rng.randrange(HEIGHT), rng.randrange(WIDTH)] = rng.choice([256, 257, 511, 512, 65535])
    return wide


def _damaged(image, file, rng):
    data = bytearray(file.read_bytes())
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    file.write_bytes(data)


def _cut(image, file, rng):
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])


def _turned(image, file, rng):
    exif = Image.Exif()
    exif[0x112] = rng.randrange(5, 9)
    Image.open(image).save(image, exif=exif)


def _sized(labels, rng):
    return Image.fromarray(labels).resize((rng.randrange(1, 99), rng.randrange(1, 39)), 0)


VALID = {
    'with a palette': _change(_with_palette),
    '16 bits': _change(lambda labels, rng: labels.astype(np.uint16)),
    'not compressed': lambda image, file, rng: Image.open(file).save(file, compress_level=0),
    'nothing': lambda image, file, rng: None,
}
CHANGES = {
    **VALID,
    'RGB': _change(lambda labels, rng: np.stack([labels] * 3, axis=2)),
    'RGBA': _change(lambda labels, rng: np.stack([labels] * 4, axis=2)),
    'grey and alpha': _change(lambda labels, rng: Image.fromarray(labels).convert('LA')),
    'one bit': _change(lambda labels, rng: Image.fromarray(labels == 1)),
    '32 bits in a TIFF': lambda image, file, rng: Image.fromarray(_labels(1).astype(np.int32)).save(
        file, 'TIFF'
    ),
    'another size': _change(_sized),
    'on its side': _change(lambda labels, rng: np.ascontiguousarray(labels.T)),
    'one pixel': _change(lambda labels, rng: labels[:1, :1]),
    'a value beyond the classes': _change(_with_value),
    'a value beyond a byte': _change(_wide_value),
    '0 and 255': _change(lambda labels, rng: (labels > 0).astype(np.uint8) * 255),
    'all ignored': _change(lambda labels, rng: np.full_like(labels, 255)),
    'bytes changed': _damaged,
    'cut off': _cut,
    'empty': lambda image, file, rng: file.write_bytes(b''),
    'text': lambda image, file, rng: file.write_text('no image'),
    'missing': lambda image, file, rng: file.unlink(),
    'a folder': lambda image, file, rng: (file.unlink(), file.mkdir()),
    'a JPEG': lambda image, file, rng: Image.open(file).save(file, 'JPEG', quality=90),
    'another suffix': lambda image, file, rng: file.rename(file.with_suffix('.tif')),
    'image missing': lambda image, file, rng: image.unlink(),
    'image cut off': lambda image, file, rng: image.write_bytes(image.read_bytes()[:20]),
    'image turned': _turned,
    'image of another suffix': lambda image, file, rng: image.rename(image.with_suffix('.bmp')),
    'spare map': lambda image, file, rng: file.with_name('x.png').write_bytes(file.read_bytes()),
}


def cases(count, seed):
    kinds = [*CHANGES]
    return [f'{kinds[number % len(kinds)]} {number}' for number in range(count)]


def run(name, seed, folder):
    rng, kind = random.Random(f'{seed} {name}'), name.rsplit(' ', 1)[0]
    os.environ['XDG_CACHE_HOME'] = str(folder / 'cache')
    for part in ('images', 'maps'):
        (folder / part).mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / 'images' / f'{number}.png')
        Image.fromarray(_labels(number)).save(folder / 'maps' / f'{number}.png')
    CHANGES[kind](folder / 'images' / '1.png', folder / 'maps' / '1.png', rng)
    dataset = _config(folder)
    problems = read_annotations(dataset, BaseSegDataset, 'train').problems
    doubts = [problem for problem in problems if problem.severity >= Severity.DOUBTFUL]
    if kind in VALID and doubts:
        return 'wrongly refused'
    check_dataset(dataset, BaseSegDataset, Config({}), 'train')  # raises what is fatal
    built = BaseSegDataset(**{key: value for key, value in dataset.items() if key != 'type'})
    found = {os.path.basename(built[i]['img_path']): built[i] for i in range(len(built))}
    for number in range(2):
        sample = found.get(f'{number}.png')
        right = sample is not None and np.array_equal(sample['gt_seg_map'], _labels(number))
        right = right and sample['gt_seg_map'].shape == sample['img'].shape[:2]
        if not right and not doubts:
            return 'unknowable' if kind in UNKNOWABLE else 'silent'
    annotations = read_maps(folder / 'images', folder / 'maps', CLASSES)
    if not any(problem.severity is Severity.FATAL for problem in annotations.problems):
        for image in write_maps(annotations, folder / 'out').images:
            written = np.asarray(Image.open(image.map))
            if not doubts and not np.array_equal(written, _labels(int(image.path.stem))):
                return 'unknowable' if kind in UNKNOWABLE else 'silent'
    return 'right'


def _config(folder):
    return dict(
        type='BaseSegDataset',
        data_prefix=dict(img_path=str(folder / 'images'), seg_map_path=str(folder / 'maps')),
        img_suffix='.png',
        seg_map_suffix='.png',
        serialize_data=False,  # which collects garbage for half a second
        metainfo=dict(classes=CLASSES),
        pipeline=[dict(type='mmseg.LoadImageFromFile'), dict(type='mmseg.LoadAnnotations')],
    )
