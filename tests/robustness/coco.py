"""COCO files: every key with every kind of bad value, odd structures and encodings, wrong images.

A file of two images and five objects is written, one thing is done to it, and it is used as before
a training: checked, then read by mmdet's own dataset. What is valid must give the same objects. All
else is refused, or each object that is not trained on as it was drawn is reported.
"""

import copy
import gzip
import json
import math
import os
import random

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.utils import register_all_modules
from mmengine.config import Config
from PIL import Image
from pycocotools import mask as mask_api

from classification.annotations.layouts.coco import read_coco
from classification.annotations.layouts.coco_file import to_coco
from classification.annotations.problems.problem import Severity
from detection.checks import check_dataset, read_annotations

TITLE = 'COCO files'
register_all_modules(init_default_scope=False)  # once, not in every case

WIDTH, HEIGHT = 48, 40
BAD = [
    None,
    '',
    'text',
    '5',
    -1,
    0.5,
    1e9,
    1e308,
    10**30,
    math.inf,
    -math.inf,
    math.nan,
    [],
    [[]],
    [None],
    ['a'],
    {},
    {'counts': 'x'},
    [[1, 2]],
    [[[[1]]]],
    'x' * 5000,
    '\x00',
    '../../etc/passwd',
    '\x1b[31m',
]
NUMBERS = [math.nan, math.inf, -math.inf, 1e9, -1e9, 1e300, 10**40, None, '3', [], {}, True]


def _content():
    """A right file: polygons of one and two parts, run lengths of both kinds, and a crowd."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, order='F')
    pixels[10:30, 8:20] = 1
    text = mask_api.encode(pixels)['counts'].decode()
    runs = [8 * HEIGHT + 10]
    for _ in range(12):
        runs += [20, 20]
    runs[-1] = WIDTH * HEIGHT - sum(runs[:-1])
    box = [8, 10, 12, 20]
    masks = [
        ([4, 5, 20, 12], [[4, 5, 24, 5, 24, 17, 4, 17]]),
        ([4, 5, 36, 30], [[4, 5, 14, 5, 14, 15], [30, 20, 40, 20, 40, 35, 30, 35]]),
        (box, dict(size=[HEIGHT, WIDTH], counts=text)),
        (box, dict(size=[HEIGHT, WIDTH], counts=runs)),
        ([2, 2, 40, 30], [[2, 2, 42, 2, 42, 32, 2, 32]]),
    ]
    annotations = [
        dict(
            id=101 + i,
            image_id=51 + i % 2,
            category_id=[31, 37][i % 2],
            bbox=box,
            area=90.0 + i,
            iscrowd=int(i == 2),
            segmentation=mask,
        )
        for i, (box, mask) in enumerate(masks)
    ]
    images = [dict(id=51 + i, file_name=f'{i}.png', width=WIDTH, height=HEIGHT) for i in range(2)]
    categories = [dict(id=31, name='cat'), dict(id=37, name='dog')]
    return dict(info={}, images=images, annotations=annotations, categories=categories)


def _record(content, rng, name=None):
    return rng.choice(content[name or rng.choice(['images', 'annotations', 'categories'])])


def _masks(content, kind):
    masks = [annotation['segmentation'] for annotation in content['annotations']]
    return [mask for mask in masks if isinstance(mask, kind)]


def bad_value(content, rng):
    record = _record(content, rng)
    key = rng.choice(sorted(record))
    record[key] = rng.choice(BAD)


def bad_value_of_an_object(content, rng):
    record = _record(content, rng, 'annotations')
    record[rng.choice(sorted(record))] = rng.choice(BAD)


def no_key(content, rng):
    record = _record(content, rng)
    del record[rng.choice(sorted(record))]


def bad_side_of_a_box(content, rng):
    side = rng.randrange(4)
    bad = [*NUMBERS, 500, -500, *([0, -5, 0.3] if side > 1 else [])]
    _record(content, rng, 'annotations')['bbox'][side] = rng.choice(bad)


def box_of_another_length(content, rng):
    record = _record(content, rng, 'annotations')
    record['bbox'] = (record['bbox'] * 2)[: rng.choice([0, 1, 2, 3, 5, 8])]


def bad_coordinate(content, rng):
    polygons = _masks(content, list)
    part = rng.choice(rng.choice(polygons))
    part[rng.randrange(len(part))] = rng.choice([*NUMBERS, 300, -300, 5000])


def polygon_of_another_length(content, rng):
    polygons = _masks(content, list)
    polygon = rng.choice(polygons)
    position = rng.randrange(len(polygon))
    polygon[position] = polygon[position][: rng.choice([0, 1, 2, 3, 4, 5, 7])]


def polygon_of_one_point_or_line(content, rng):
    polygons = _masks(content, list)
    polygon = rng.choice(polygons)
    polygon[rng.randrange(len(polygon))] = rng.choice([[5, 5] * 3, [1, 1, 9, 9, 5, 5], [0, 0] * 99])


def bad_run_lengths(content, rng):
    masks = _masks(content, dict)
    mask = rng.choice(masks)
    key = rng.choice(['size', 'counts'])
    if key == 'size':
        bad = [None, [], [40], [48, 40], [0, 0], [-1, -1], [40, 48, 1], ['40', 48], [1e9, 1e9], 7]
        mask['size'] = rng.choice([*bad, [10**9, 10**9], [40.5, 48]])
    elif isinstance(mask['counts'], str):
        text = mask['counts']
        cut = rng.randrange(len(text))
        mask['counts'] = rng.choice(
            [text[:cut], text + 'oo', 'o' * 500, '\x7f', '', 'é', text[::-1]]
        )
    else:
        position = rng.randrange(len(mask['counts']))
        mask['counts'][position] = rng.choice([*NUMBERS, -20, 10**9, 2**31, 2**32, 2**64, 1.5])


def other_structure(content, rng):
    key = rng.choice(['images', 'annotations', 'categories'])
    action = rng.randrange(6)
    if action == 0:
        del content[key]
    elif action == 1:
        content[key] = rng.choice(BAD)
    elif action == 2:
        content[key] = dict(enumerate(content[key]))
    elif action == 3:
        content[key].insert(rng.randrange(3), rng.choice(BAD))
    elif action == 4:
        content[key] = []
    else:
        content[key].append(copy.deepcopy(_record(content, rng, key)))


def same_id(content, rng):
    key = rng.choice(['images', 'annotations', 'categories'])
    content[key][1]['id'] = content[key][0]['id']


def unknown_reference(content, rng):
    record = _record(content, rng, 'annotations')
    record[rng.choice(['image_id', 'category_id'])] = rng.choice(
        [99, 0, -51, '51', 51.5, [51], 10**20]
    )


def other_size(content, rng):
    record = _record(content, rng, 'images')
    sizes = [(HEIGHT, WIDTH), (480, 400), (0, HEIGHT), (WIDTH, -40), (1, 1), (10**9, HEIGHT)]
    sizes += [('48', HEIGHT), (WIDTH, None)]
    record['width'], record['height'] = rng.choice(sizes)


def classes_in_another_order(content, rng):
    content['categories'].reverse()


def other_class_names(content, rng):
    record = _record(content, rng, 'categories')
    record['name'] = rng.choice(['Cat', ' cat', 'bird', 'dog', 'cat\n', 7, None, ['cat'], '猫'])


def nothing_wrong(content, rng):
    """What may differ between right files."""
    action = rng.randrange(6)
    if action == 0:
        rng.shuffle(content['annotations'])
    elif action == 1:
        content['images'].reverse()
    elif action == 2:
        for record in content['annotations']:
            record['bbox'] = [float(side) for side in record['bbox']]
    elif action == 3:
        _record(content, rng)['extra'] = rng.choice(BAD)
        content['licenses'] = None
    elif action == 4:
        for record in content['annotations']:
            record['id'] += rng.randrange(1, 10**6) * 1000
    else:
        content['categories'][0]['supercategory'] = rng.choice(['', None, 'animal'])


CONTENT = {
    function.__name__: function
    for function in (
        bad_value,
        bad_value_of_an_object,
        no_key,
        bad_side_of_a_box,
        box_of_another_length,
        bad_coordinate,
        polygon_of_another_length,
        polygon_of_one_point_or_line,
        bad_run_lengths,
        other_structure,
        same_id,
        unknown_reference,
        other_size,
        classes_in_another_order,
        other_class_names,
        nothing_wrong,
    )
}
# What is done to the bytes of the file, or to an image.
BYTES = {
    'byte order mark': lambda data, rng: b'\xef\xbb\xbf' + data,
    'UTF-16': lambda data, rng: data.decode().encode('utf-16'),
    'UTF-16 without a mark': lambda data, rng: data.decode().encode('utf-16-le'),
    'UTF-32': lambda data, rng: data.decode().encode('utf-32'),
    'no text': lambda data, rng: data.replace(b'cat', b'\xff\xfe\xe9'),
    'cut off': lambda data, rng: data[: rng.randrange(len(data))],
    'bytes changed': lambda data, rng: _flipped(data, rng),
    'NUL added': lambda data, rng: data + b'\x00',
    'compressed': lambda data, rng: gzip.compress(data),
    'nested deeply': lambda data, rng: b'[' * 10 ** rng.randrange(3, 6),
    'nested deeply inside': lambda data, rng: data.replace(
        b'"area"', b'"x": ' + b'[' * 900 + b']' * 900 + b', "area"'
    ),
    'huge integer': lambda data, rng: data.replace(b'90.0', b'9' * rng.choice([400, 5000])),
    'indented': lambda data, rng: json.dumps(json.loads(data), indent=2).encode(),
}
IMAGES = {
    'image missing': lambda path, rng: path.unlink(),
    'image empty': lambda path, rng: path.write_bytes(b''),
    'image is text': lambda path, rng: path.write_text('no image'),
    'image is a folder': lambda path, rng: (path.unlink(), path.mkdir()),
    'image is a pipe': lambda path, rng: (path.unlink(), os.mkfifo(path)),
    'image of another size': lambda path, rng: Image.new('RGB', (9, 9)).save(path),
    'image turned': lambda path, rng: _turn(path, rng.randrange(2, 9)),
    'image is a JPEG': lambda path, rng: Image.open(path).convert('RGB').save(path, 'JPEG'),
}
VALID = {'nothing_wrong', 'indented'}
# What no check can know: a digit of a box that is another one, and mirrored pictures.
UNKNOWABLE = {'bytes changed', 'image turned'}


def _flipped(data, rng):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _turn(path, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.open(path).save(path, exif=exif)


def cases(count, seed):
    # What has the most ways to go wrong comes up more often.
    often = [bad_value_of_an_object, bad_side_of_a_box, bad_coordinate, bad_run_lengths]
    kinds = [*CONTENT, *BYTES, *IMAGES, *[function.__name__ for function in often] * 2]
    return [f'{kinds[number % len(kinds)]} {number}' for number in range(count)]


def run(name, seed, folder):
    rng, kind = random.Random(f'{seed} {name}'), name.rsplit(' ', 1)[0]
    os.environ['XDG_CACHE_HOME'] = str(folder / 'cache')
    content, images, file = _content(), folder / 'images', folder / 'a.json'
    images.mkdir()
    for image in content['images']:
        noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / image['file_name'])
    file.write_text(json.dumps(content))
    truth = _trained_on(file, images)
    if kind in CONTENT:
        CONTENT[kind](content, rng)
    data = json.dumps(content).encode()
    file.write_bytes(BYTES[kind](data, rng) if kind in BYTES else data)
    if kind in IMAGES:
        IMAGES[kind](images / '1.png', rng)
    dataset = _config(file, images)
    if kind in VALID:
        reports = read_annotations(dataset, CocoDataset, 'train').problems
        if any(problem.severity is not Severity.HARMLESS for problem in reports):
            return 'wrongly refused'
    judgement = _judge_reader(file, images, truth) if kind not in UNKNOWABLE else 'right'
    check_dataset(dataset, CocoDataset, Config({}), 'train')  # raises what is fatal
    reports = read_annotations(dataset, CocoDataset, 'train').problems
    doubts = [problem for problem in reports if problem.severity >= Severity.DOUBTFUL]
    found = _trained_on(file, images)
    missing = [thing for thing in truth if not any(_same(thing, other) for other in found)]
    extra = [thing for thing in found if not any(_same(thing, other) for other in truth)]
    if (missing or extra) and not doubts:
        return 'unknowable' if kind in UNKNOWABLE else 'silent'
    return judgement


def _config(file, images):
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
    return dict(
        type='CocoDataset',
        ann_file=str(file),
        data_prefix=dict(img=f'{images}/'),
        serialize_data=False,  # which collects garbage for half a second
        metainfo=dict(classes=('cat', 'dog')),
        pipeline=[dict(type='mmdet.LoadImageFromFile'), {**load, 'type': 'mmdet.LoadAnnotations'}],
    )


def _trained_on(file, images):
    """(file name, label, box, mask) of each object that mmdet trains on."""
    config = _config(file, images)
    dataset = CocoDataset(**{key: value for key, value in config.items() if key != 'type'})
    things = []
    for index in range(len(dataset)):
        sample = dataset[index]
        for label, box, mask, ignored in zip(
            sample['gt_bboxes_labels'],
            sample['gt_bboxes'].tensor.numpy(),
            sample['gt_masks'].masks,
            sample['gt_ignore_flags'],
            strict=True,
        ):
            if not ignored:
                name = os.path.basename(sample['img_path'])
                things.append((name, int(label), box, mask.tobytes()))
    return things


def _same(one, other):
    return one[:2] == other[:2] and np.allclose(one[2], other[2], atol=1e-3) and one[3] == other[3]


def _judge_reader(file, images, truth):
    """Whether each object is read as drawn or reported, and what is read can be trained on."""
    annotations = read_coco(file, images, ['cat', 'dog'])
    found = [
        (image.path.name, instance.label, instance.box)
        for image in annotations.images
        for instance in image.instances
        if not instance.crowd
    ]
    missing = [
        thing
        for thing in truth
        if not any(thing[:2] == f[:2] and np.allclose(thing[2], f[2], atol=1e-3) for f in found)
    ]
    if (missing or len(found) > len(truth)) and not any(
        problem.severity >= Severity.DOUBTFUL for problem in annotations.problems
    ):
        return 'silent'
    if annotations.has_masks and all(image.size for image in annotations.images):
        again = file.with_name('again.json')
        again.write_text(json.dumps(to_coco(annotations)))
        _trained_on(again, images)  # whatever is read can be trained on
    return 'right'
