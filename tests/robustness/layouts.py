"""YOLO, VOC, labelme and CVAT: files and folders that are odd, wrong, damaged or hostile.

Two small scenes are written in a layout, and one thing is done to them. What is valid must be read
as drawn and without a word. All else is refused, or each object that is not read as drawn is
reported.
"""

import base64
import json
import math
import os
import random
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections import Counter

import numpy as np
from PIL import Image

from classification.annotations.problems.problem import Severity
from classification.annotations.recognise import read_dataset
from classification.engine.errors import DataError, UsageError
from tests import layouts
from tests.layouts import Scene, write

TITLE = 'YOLO, VOC, labelme and CVAT'

WRITERS = {
    'yolo-boxes': lambda root, scenes: layouts.write_yolo(root, scenes, False),
    'yolo-polygons': lambda root, scenes: layouts.write_yolo(root, scenes, True),
    'voc': layouts.write_voc,
    'labelme-polygons': lambda root, scenes: layouts.write_labelme(root, scenes, 'polygon'),
    'labelme-masks': lambda root, scenes: layouts.write_labelme(root, scenes, 'mask'),
    'labelme-boxes': lambda root, scenes: layouts.write_labelme(root, scenes, None),
    'cvat-polygons': lambda root, scenes: layouts.write_cvat(root, scenes, 'polygon'),
    'cvat-masks': lambda root, scenes: layouts.write_cvat(root, scenes, 'mask'),
    'cvat-boxes': lambda root, scenes: layouts.write_cvat(root, scenes, None),
}
TEXTS = ('.txt', '.xml', '.json', '.yaml')


def _scenes(rng):
    scenes = []
    for number, split in enumerate(('train', 'val')):
        numpy_rng = np.random.default_rng(rng.randrange(1 << 32))
        picture = numpy_rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        objects = []
        for _ in range(rng.randint(1, 3)):
            mask = np.zeros((30, 40), bool)
            left, top = rng.randint(0, 28), rng.randint(0, 20)
            mask[top : top + rng.randint(3, 10), left : left + rng.randint(3, 12)] = True
            mask &= numpy_rng.random(mask.shape) < 0.9
            objects.append((rng.choice(layouts.CLASSES), mask))
        scenes.append(Scene(f'scene {number}', picture, objects, split))
    return scenes


def _files(root, *suffixes):
    """Files of annotations, without the lists of VOC, which say nothing of objects."""
    found = sorted(path for path in root.rglob('*') if path.suffix in suffixes and path.is_file())
    return [path for path in found if path.parent.name != 'Main']


def _pick(rng, root, *suffixes):
    return rng.choice(_files(root, *suffixes))


# Valid: the same annotations, written otherwise.


def byte_order_mark(rng, root):
    for path in _files(root, *TEXTS):
        path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())


def utf16(rng, root):
    for path in _files(root, '.txt', '.json', '.yaml'):
        path.write_bytes(path.read_text().encode('utf-16'))


def windows_line_ends(rng, root):
    for path in _files(root, *TEXTS):
        path.write_bytes(path.read_bytes().replace(b'\n', b'\r\n'))


def capital_suffixes(rng, root):
    for path in _files(root, '.txt', '.xml', '.json', '.png'):
        path.rename(path.with_suffix(path.suffix.upper()))


def white_space(rng, root):
    for path in _files(root, '.txt'):
        path.write_text(
            '\n\n'.join(line.replace(' ', ' \t ') + '  ' for line in _lines(path)) + '\n\n'
        )
    for path in _files(root, '.json'):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=rng.randint(1, 8)))
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        ElementTree.indent(tree, ' ' * rng.randint(1, 8))
        tree.write(path, encoding='utf-8')


def other_encoding(rng, root):
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        ElementTree.SubElement(tree.getroot(), 'note').text = 'Grün'
        tree.write(path, encoding=rng.choice(['utf-16', 'iso-8859-1', 'windows-1252', 'utf-8']))


def nested(rng, root):
    for path in [*root.iterdir()]:
        (root / 'export' / 'v 1 é').mkdir(parents=True, exist_ok=True)
        path.rename(root / 'export' / 'v 1 é' / path.name)


def leftovers(rng, root):
    for folder in [root, *(path for path in root.rglob('*') if path.is_dir())]:
        for path in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f'._{path.name}').write_bytes(b'\0\5\26\7')
        (folder / '.DS_Store').write_bytes(b'\0\1')
    write(root / 'README.txt', 'Exported.\n')
    write(root / '__MACOSX' / '._a.json', '{"shapes": []}')
    write(root / 'Thumbs.db', 'x')


def link_loop(rng, root):
    (root / 'loop').symlink_to(root)


def pipe(rng, root):
    for suffix in ('.txt', '.json', '.xml', '.yaml', '.png'):
        os.mkfifo(root / f'pipe{suffix}')


def extra_entries(rng, root):
    for path in _files(root, '.json'):
        path.write_text(json.dumps({'extra': [{'a': None}], **json.loads(path.read_text())}))
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        tree.getroot().insert(0, ElementTree.Element('extra', {'a': 'b'}))
        tree.write(path)
    for path in _files(root, '.yaml'):
        path.write_text(path.read_text() + '\nroboflow: {license: "CC BY 4.0"}\nnc: 10\n')


VALID = (
    byte_order_mark,
    utf16,
    windows_line_ends,
    capital_suffixes,
    white_space,
    other_encoding,
    nested,
    leftovers,
    link_loop,
    pipe,
    extra_entries,
)


# Wrong: an object or a file that cannot mean what was drawn.

BAD_WORDS = (
    *('nan', 'inf', '-inf', '1e9', '-1e9', '1e400', '9' * 5000, '', 'abc', '1,5', '0x10', '1_0'),
    *('--1', '1e', 'NaN%', '\u0663\u0664\u0665', '\x07', 'None', 'true'),
)
BAD_VALUES = (
    *(math.nan, math.inf, -math.inf, 1e9, -1e9, 10**400, None, True, [], {}, [[]], ''),
    *('abc', 'x' * 5000, [None] * 3, {'a': 1}),
)


def _lines(path):
    return [line for line in path.read_text().splitlines() if line.strip()]


def bad_word(rng, root):
    path = rng.choice([path for path in _files(root, '.txt') if _lines(path)])
    lines = [line.split() for line in _lines(path)]
    line = rng.choice(lines)
    line[rng.randrange(len(line))] = rng.choice([word for word in BAD_WORDS if word])
    path.write_text('\n'.join(map(' '.join, lines)))


def word_too_many(rng, root):
    path = rng.choice([path for path in _files(root, '.txt') if _lines(path)])
    lines = _lines(path)
    lines[rng.randrange(len(lines))] += rng.choice([' 0.5', ' x', ' 0.1 0.1 nan', ' #'])
    path.write_text('\n'.join(lines))


def word_too_few(rng, root):
    path = rng.choice([path for path in _files(root, '.txt') if _lines(path)])
    lines = _lines(path)
    index = rng.randrange(len(lines))
    lines[index] = lines[index].rsplit(' ', 1)[0]
    path.write_text('\n'.join(lines))


def class_without_a_name(rng, root):
    path = rng.choice([path for path in _files(root, '.txt') if _lines(path)])
    lines = _lines(path)
    index = rng.randrange(len(lines))
    number = rng.choice(['10', '-1', '1e3', '0.5', '99999999999999999999'])
    lines[index] = f'{number} ' + lines[index].split(' ', 1)[1]
    path.write_text('\n'.join(lines))


def pixels_for_shares(rng, root):
    for path in _files(root, '.txt'):
        lines = [line.split() for line in _lines(path)]
        path.write_text(
            '\n'.join(
                ' '.join([line[0], *(f'{float(word) * 400:.1f}' for word in line[1:])])
                for line in lines
            )
        )


def _spots(content):
    """(container, key) of all that is in JSON."""
    found = []
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        found.append((content, key))
        if isinstance(value, (dict, list)):
            found += _spots(value)
    return found


def bad_value(rng, root):
    path = _pick(rng, root, '.json')
    content = json.loads(path.read_text())
    spots = [spot for spot in _spots(content) if spot[1] not in ('flags', 'group_id')]
    container, key = rng.choice(spots)
    container[key] = rng.choice(BAD_VALUES)
    path.write_text(json.dumps(content))


def missing_key(rng, root):
    path = _pick(rng, root, '.json')
    content = json.loads(path.read_text())
    container = rng.choice([content, *content['shapes']])
    del container[rng.choice(sorted(container))]
    path.write_text(json.dumps(content))


def bad_attribute(rng, root):
    path = _pick(rng, root, '.xml')
    tree = ElementTree.parse(path)
    spots = [(e, name) for e in tree.iter() for name in e.attrib if name != 'subset']
    # Any text may be the name of a class.
    spots += [(e, None) for e in tree.iter() if e.tag != 'name' and (e.text or '').strip()]
    element, name = rng.choice(spots)
    word = rng.choice([word for word in BAD_WORDS if word.isprintable()])
    if name is None:
        element.text = word
    elif rng.random() < 0.2:
        del element.attrib[name]
    else:
        element.set(name, word)
    tree.write(path, encoding='utf-8')


def missing_element(rng, root):
    path = _pick(rng, root, '.xml')
    tree = ElementTree.parse(path)
    whole = {'object', 'image', 'box', 'polygon', 'mask', 'label', 'labels', 'meta', 'task'}
    spots = [(e, child) for e in tree.iter() for child in e if child.tag not in whole]
    parent, child = rng.choice(spots)
    parent.remove(child)
    tree.write(path, encoding='utf-8')


def unknown_shape(rng, root):
    for path in _files(root, '.json'):
        content = json.loads(path.read_text())
        for shape in content['shapes']:
            shape['shape_type'] = rng.choice(['line', 'point', 'points', 'linestrip', 'oval', 7])
        path.write_text(json.dumps(content))
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        for element in tree.iter():
            if element.tag in ('box', 'polygon', 'mask'):
                element.tag = rng.choice(['polyline', 'points', 'cuboid', 'skeleton', 'tag', 'odd'])
            if element.tag == 'bndbox':
                element.tag = 'robndbox'
        tree.write(path, encoding='utf-8')


def stated_size(rng, root):
    width, height = rng.choice([(30, 40), (80, 60), (41, 30), (40, 10**30)])
    for path in _files(root, '.json'):
        content = json.loads(path.read_text())
        content.update(imageWidth=width, imageHeight=height)
        path.write_text(json.dumps(content))
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        for element in tree.iter('image'):
            element.attrib.update(width=str(width), height=str(height))
        for element in tree.iter('size'):
            element.find('width').text, element.find('height').text = str(width), str(height)
        tree.write(path, encoding='utf-8')


def turned_image(rng, root):
    path = _pick(rng, root, '.png')
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[0x0112] = rng.choice([5, 6, 7, 8])
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
        if rng.random() < 0.5:  # labelled as stored
            image.save(path, exif=exif)


def truncated(rng, root):
    path = _pick(rng, root, *TEXTS)
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))] if content else b'')


def flipped(rng, root):
    path = _pick(rng, root, *TEXTS)
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def noise(rng, root):
    _pick(rng, root, *TEXTS).write_bytes(rng.randbytes(rng.choice([0, 1, 1000])))


def damaged_image(rng, root):
    path = _pick(rng, root, '.png')
    path.write_bytes(rng.choice([b'', path.read_bytes()[:20], rng.randbytes(500)]))


def image_gone(rng, root):
    _pick(rng, root, '.png').unlink()


def labels_gone(rng, root):
    _pick(rng, root, *TEXTS).unlink()


def second_image(rng, root):
    path = _pick(rng, root, '.png')
    with Image.open(path) as image:
        image.save(path.with_suffix('.jpg'))


def bomb(rng, root):
    path = _pick(rng, root, *TEXTS)
    lines = ['<!DOCTYPE a [<!ENTITY e0 "xxxxxxxxxx">']
    lines += [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    outside = '<!DOCTYPE a [<!ENTITY e11 SYSTEM "file:///etc/passwd">'
    head = rng.choice(['\n'.join(lines), outside]) + ']>'
    if path.suffix == '.xml':
        text = path.read_text().split('?>')[-1]
        path.write_text(head + text.replace('zero', '&e11;').replace('.png', '&e11;'))
    elif path.suffix == '.yaml':
        aliases = ['a0: &a0 [x, x]', *(f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]' for n in range(1, 60))]
        where = rng.choice(['names: *a59', 'train: *a59', 'path: *a59', 'nc: *a59'])
        key = where.split(':')[0]
        kept = [
            x for x in path.read_text().splitlines() if key != 'names' or not x.startswith('  ')
        ]
        kept = [line for line in kept if not line.startswith(key)]
        path.write_text('\n'.join([*aliases, *kept, where]))
    else:
        path.write_text(rng.choice(['0 ' * 2_000_000, '[' * 200_000, '{"shapes":' * 100_000]))


def deep(rng, root):
    path = _pick(rng, root, *TEXTS)
    depth = rng.choice([60, 5000, 200_000])
    text = path.read_text()
    if path.suffix == '.json':
        body = text.rstrip()[:-1]
        path.write_text(f'{body}, "deep": {"[" * depth}{"]" * depth}}}')
    elif path.suffix == '.xml':
        end = text.rindex('</annotation')
        path.write_text(text[:end] + '<a>' * depth + '</a>' * depth + text[end:])
    elif path.suffix == '.yaml':
        depth = min(depth, 5000)
        path.write_text(f'{text}\ndeep: {"[" * depth}{"]" * depth}\n')


def large_mask(rng, root):
    """A few bytes that claim a mask of any size."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', crc)

    side = rng.choice([100, 20_000, 2**31 - 1])
    head = struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0)
    png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(b'\0' * 10**6))
    for path in _files(root, '.json'):
        content = json.loads(path.read_text())
        for shape in content['shapes']:
            shape.update(shape_type='mask', mask=base64.b64encode(png).decode())
        path.write_text(json.dumps(content))
    for path in _files(root, '.xml'):
        tree = ElementTree.parse(path)
        for element in tree.iter('mask'):
            element.attrib.update(width=str(side), height=str(side), rle=f'0, {side * side}')
        tree.write(path)


def odd_paths(rng, root):
    """data.yaml and VOC's lists lead to all sorts of places."""
    place = rng.choice(
        [
            *('/', '..', '../..', '/proc', '/dev/zero', '~', '\\\\server\\x', 'a' * 5000, '"\\0"'),
            *('/**', '**', '../**/*', '[', '.', '""', '[[1], {a: b}]', 'images/train/../../..'),
        ]
    )
    for path in _files(root, '.yaml'):
        key = rng.choice(['train', 'val', 'path'])
        kept = [line for line in path.read_text().splitlines() if not line.startswith(key)]
        path.write_text('\n'.join([f'{key}: {place}', *kept]))
    for path in root.rglob('Main/*.txt'):
        path.write_text(f'{place}\n{path.read_text()}')


def odd_names(rng, root):
    odd = rng.choice(
        ['[yes, no]', '3', '""', '{0: a, 2: b}', '[a, a]', '[]', '{a: b}', '[[a]]', '"a\\tb"', '~']
    )
    for path in _files(root, '.yaml'):
        kept = [x for x in path.read_text().splitlines() if not x.startswith(('  ', 'names'))]
        path.write_text('\n'.join([*kept, f'names: {odd}']))


WRONG = {
    'yolo': (
        *(bad_word, word_too_many, word_too_few, class_without_a_name, pixels_for_shares),
        *(odd_paths, odd_names),
    ),
    'voc': (bad_attribute, missing_element, unknown_shape, stated_size, odd_paths),
    'labelme': (bad_value, missing_key, unknown_shape, stated_size, large_mask),
    'cvat': (bad_attribute, missing_element, unknown_shape, stated_size, large_mask),
    'all': (
        *(turned_image, truncated, noise, damaged_image, image_gone, labels_gone, second_image),
        *(bomb, deep),
    ),
}
# What these do may be a smaller or another annotation that is valid.
UNKNOWABLE = (truncated, flipped, noise, labels_gone)
MUTATIONS = {f.__name__: f for f in (*VALID, flipped, *(f for fs in WRONG.values() for f in fs))}


def cases(count, seed):
    """Each mutation of each layout in turn, with as many draws as are asked for."""
    pairs = [
        f'{layout} {mutation.__name__}'
        for layout in WRITERS
        for mutation in (*VALID, *WRONG[layout.split('-')[0]], *WRONG['all'], flipped)
    ]
    random.Random(seed).shuffle(pairs)
    return [f'{pairs[number % len(pairs)]} {number // len(pairs)}' for number in range(count)]


def _objects(found):
    objects = Counter()
    for image in found.images:
        for instance in image.instances:
            mask = layouts.mask_of(instance, image.size)
            name = found.classes[instance.label]
            drawn = None if mask is None else mask.tobytes()
            objects[image.path.stem, name, instance.box, drawn, instance.crowd] += 1
    return objects


def run(name, seed, folder):
    rng = random.Random(f'{seed} {name}')
    layout, mutation = name.split()[:2]
    root = folder / 'photos'
    WRITERS[layout](root, _scenes(rng))
    task = 'segment' if layout == 'yolo-polygons' else None
    reference = read_dataset(root, task=task)
    expected = _objects(reference)
    change = MUTATIONS[mutation]
    change(rng, root)
    try:
        found = read_dataset(root, task=task)
    except (UsageError, DataError) as error:
        if change in VALID:
            return 'wrongly refused'
        raise error
    objects = _objects(found)
    serious = [problem for problem in found.problems if problem.severity > Severity.HARMLESS]
    for problem in found.problems:
        if not str(problem).isprintable() or len(str(problem)) > 1000:
            return 'silent'  # a report that cannot be read
    if change in VALID:
        splits = [image.split for image in found.images] == [i.split for i in reference.images]
        return 'right' if objects == expected and splits and not serious else 'wrongly refused'
    lost, other = expected - objects, objects - expected
    if not lost and not other:
        return 'right'
    if any(problem.severity == Severity.FATAL for problem in serious):
        return 'right'  # nothing is trained
    # One file or image may stand for all its objects.
    if serious and other.total() <= len(serious):
        return 'right'
    # YOLO's shares of a turned image do not say which size they are of.
    is_yolo_turned = change is turned_image and layout.startswith('yolo')
    return 'unknowable' if change in UNKNOWABLE or is_yolo_turned else 'silent'
