"""Build a small real dataset in the layouts of ImageNet, COCO and ADE20K from handwritten digits.

The ink is real: the 1797 samples that scikit-learn bundles (the test part of UCI's "Optical
Recognition of Handwritten Digits", Alpaydin and Kaynak, CC BY 4.0), so nothing is downloaded.
Everything around it is drawn: each 8x8 sample is enlarged, tilted, coloured and laid over clutter.
Samples are divided between train and val before anything is drawn, stratified by digit; the
source does not tell writers apart, so samples are disjoint and writers may not be.

    OUT/imagenet/{train,val}/0_zero ... 9_nine/sample<index>_<rendering>.png   one digit a picture
    OUT/coco/{train2017,val2017}/*.png, annotations/instances_{train,val}2017.json
    OUT/ade/{images,annotations}/{training,validation}/*.png                   the same scenes
    OUT/digits.json                                   settings, split and counts, written last

A picture for the classifier is a scene with one digit, drawn by the same code, so what is learned
on the first carries over to the second. Masks are the visible ink, stored as uncompressed RLE so
that COCO masks and semantic maps agree pixel for pixel: mmdet reads it with `poly2mask=True`,
which is its default, and ignores it with False. Digit d is COCO category d + 1. In the semantic
maps 0 is unlabelled (and unused), 1 is background and d + 2 is digit d, so that mmseg's
`reduce_zero_label=True` leaves the eleven classes SEG_CLASSES; its ADE20KDataset insists on ADE's
own class names, so use BaseSegDataset with `metainfo` and `img_suffix='.png'`.

    python tools/make_digits.py --out data/digits
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

CLASSES = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
PALETTE = (
    (230, 25, 75),
    (60, 180, 75),
    (255, 225, 25),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (250, 190, 190),
)
SEG_CLASSES = ('background', *CLASSES)
SEG_PALETTE = ((120, 120, 120), *PALETTE)
FOLDERS = tuple(f'{digit}_{name}' for digit, name in enumerate(CLASSES))

MANIFEST = 'digits.json'
TOP_LEVEL = {'imagenet', 'coco', 'ade', MANIFEST}
# Where a split lives in each layout: (ImageNet folder, COCO folder, ADE20K folder).
SPLITS = {'train': ('train', 'train2017', 'training'), 'val': ('val', 'val2017', 'validation')}

VAL_FRACTION = 0.2
MIN_VISIBLE = 0.8  # a digit is moved or left out rather than hide more than 20 % of another
MIN_CONTRAST = 70  # between a digit and the mean of what it covers, in grey levels of 255
LUMA = np.array([0.299, 0.587, 0.114])


def _setting(default, text):
    return field(default=default, metadata={'help': text})


@dataclass(frozen=True)
class Settings:
    """What the dataset depends on; equal settings give byte-identical files."""

    seed: int = _setting(0, 'of the split and of everything drawn')
    train_scenes: int = _setting(300, 'scenes for detection and segmentation')
    val_scenes: int = _setting(100, 'scenes for detection and segmentation')
    scene_size: int = _setting(128, 'side of a scene, pixels')
    patch_size: int = _setting(64, 'side of a classification picture, pixels')
    train_renderings: int = _setting(4, 'classification pictures a training sample')
    val_renderings: int = _setting(1, 'classification pictures a validation sample')
    min_digits: int = _setting(2, 'fewest digits drawn in a scene')
    max_digits: int = _setting(5, 'most digits drawn in a scene')
    min_height: int = _setting(28, 'least height of a digit, pixels')
    max_height: int = _setting(56, 'greatest height of a digit, pixels')
    clutter: float = _setting(1.0, 'contrast and number of the shapes behind, relative')
    plain: int = _setting(0, '1 draws white ink on black: no colour, clutter or noise')

    def __post_init__(self):
        for item in fields(self):
            if item.name not in ('seed', 'clutter', 'plain') and getattr(self, item.name) < 1:
                raise ValueError(f'{item.name} must be at least 1')
        if self.seed < 0 or self.clutter < 0:
            raise ValueError('seed and clutter must not be negative')
        if self.min_digits > self.max_digits or self.min_height > self.max_height:
            raise ValueError('min_digits and min_height must not exceed max_digits and max_height')
        if self.max_height > min(self.patch_size, self.scene_size):
            raise ValueError('max_height must fit into patch_size and scene_size')


def glyph(sample, height, limit, rng):
    """One handwritten sample, (8, 8) in 0..16, as a pen stroke's coverage (h, w) in 0..1.

    h is `height`, less only where w would exceed `limit`. An 8x8 value is the mean ink of a cell,
    which closes loops and thins faint strokes: sharpening the smooth enlargement undoes most of
    that, and cutting it at about half then gives the outline of a bold pen.
    """
    ink = cv2.resize(np.pad(sample / 16.0, 2), (96, 96), interpolation=cv2.INTER_CUBIC)
    ink += 2 * (ink - cv2.GaussianBlur(ink, (0, 0), 10))  # 10 of 96 pixels: 1.2 cells
    turn = cv2.getRotationMatrix2D((47.5, 47.5), rng.uniform(-15, 15), 1.0)
    ink = cv2.warpAffine(ink, turn, (96, 96), flags=cv2.INTER_LINEAR)
    level = rng.uniform(0.42, 0.52)
    rows, columns = (np.flatnonzero((ink > level).any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(height / ink.shape[0], limit / ink.shape[1])
    width, height = (max(1, round(side * scale)) for side in ink.shape[::-1])
    ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
    # Sharpened ink falls from 1 to 0 over about half a cell, 4 * scale pixels here: this slope
    # leaves an edge one pixel wide, centred on the level that also bounds the mask.
    return np.clip((ink - level) * max(1.0, 4 * scale) + 0.5, 0, 1)


def background(size, clutter, rng):
    """A cluttered ground, (size, size, 3) float: a gradient, blotches, thin lines and polygons."""
    base = rng.uniform(40, 215, 3)
    ramp = np.linspace(-1, 1, size)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * ramp[:, None] + np.sin(angle) * ramp[None]
    cells = max(2, size // 16)
    blotches = cv2.resize(
        rng.normal(0, 12, (cells, cells, 3)), (size, size), interpolation=cv2.INTER_CUBIC
    )
    ground = base + slope[..., None] * rng.normal(0, 18, 3) + clutter * blotches
    canvas = np.clip(ground, 0, 255).astype(np.uint8)
    for _ in range(rng.poisson(6 * clutter * (size / 64) ** 2)):
        colour = np.clip(base + clutter * rng.normal(0, 32, 3), 0, 255).tolist()
        centre, reach = rng.uniform(0, size, 2), rng.uniform(8, 32)
        thickness = int(rng.integers(1, 3))  # thinner than any pen stroke: clutter is not writing
        kind = rng.integers(3)
        if kind == 0:
            ends = centre + reach * rng.uniform(-2, 2, (2, 2))
            cv2.line(
                canvas, *(tuple(map(int, end)) for end in ends), colour, thickness, cv2.LINE_AA
            )
        elif kind == 1:
            corners = centre + reach * rng.uniform(-0.7, 0.7, (int(rng.integers(3, 6)), 2))
            cv2.fillConvexPoly(
                canvas, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA
            )
        else:
            start = int(rng.integers(360))
            cv2.ellipse(
                canvas,
                tuple(map(int, centre)),
                (int(reach), int(reach * 0.7)),
                start,
                0,
                int(rng.integers(90, 300)),
                colour,
                thickness,
                cv2.LINE_AA,
            )
    return canvas.astype(float)


def contrasting(ground, rng):
    """An RGB colour, (3,), at least MIN_CONTRAST grey levels from `ground`, (3,)."""
    while True:  # the worst ground, mid-grey, still leaves one colour in six
        colour = rng.uniform(0, 255, 3)
        if abs((colour - ground) @ LUMA) >= MIN_CONTRAST:
            return colour


def render(size, samples, settings, rng):
    """Draw the (8, 8) `samples` over clutter, each wholly inside and later ones on top.

    Returns the picture (size, size, 3) uint8 and the owners (size, size) int: -1 for background,
    else the position in `samples` of the digit seen there. A digit that finds no place where
    everyone keeps MIN_VISIBLE of their ink is left out, so no unlabelled ink is ever shown.
    """
    black = np.zeros((size, size, 3))
    picture = black if settings.plain else background(size, settings.clutter, rng)
    owners = np.full((size, size), -1)
    full = np.zeros(len(samples), int)
    for position, sample in enumerate(samples):
        for _ in range(30):
            height = int(rng.integers(settings.min_height, settings.max_height + 1))
            alpha = glyph(sample, height, settings.max_height, rng)
            top, left = (int(rng.integers(size - side + 1)) for side in alpha.shape)
            window = np.s_[top : top + alpha.shape[0], left : left + alpha.shape[1]]
            trial = owners.copy()
            trial[window][alpha > 0.5] = position
            full[position] = (alpha > 0.5).sum()
            seen = np.bincount(trial[trial >= 0], minlength=len(samples))
            drawn = np.unique(owners[owners >= 0])
            if (seen[drawn] >= MIN_VISIBLE * full[drawn]).all():
                ground = picture[window][alpha > 0.5].mean(0)
                colour = 255.0 if settings.plain else contrasting(ground, rng)
                picture[window] += alpha[..., None] * (colour - picture[window])
                owners = trial
                break
    if not settings.plain:
        picture += rng.normal(0, rng.uniform(2, 9), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), owners


def rle(mask):
    """A boolean mask (H, W) as COCO's uncompressed RLE: column-major runs, zeros first."""
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return {'size': list(mask.shape), 'counts': [0, *runs] if flat[0] else runs}


def annotation(mask, digit, **ids):
    """The COCO annotation of one visible mask (H, W); `bbox` is x, y, width, height in pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return {
        **ids,
        'category_id': digit + 1,
        'bbox': [int(side) for side in box],
        'area': int(mask.sum()),
        'iscrowd': 0,
        'segmentation': rle(mask),
    }


def write_classification(root, split, indices, digits, settings, bar):
    """Write every sample's renderings, one digit each, into its class folder under `root`."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    for index in indices:
        for repeat in range(getattr(settings, f'{split}_renderings')):
            rng = _rng(settings, 'picture', split, index, repeat)
            picture, _ = render(settings.patch_size, digits.images[[index]], settings, rng)
            folder = root / FOLDERS[digits.target[index]]
            Image.fromarray(picture).save(folder / f'sample{index:04d}_{repeat}.png')
            bar.update()


def write_scenes(root, split, indices, digits, settings, bar):
    """Write one split's scenes, their COCO annotations and their semantic maps under `root`."""
    _, coco_name, ade_name = SPLITS[split]
    coco, ade = root / 'coco' / coco_name, root / 'ade' / 'images' / ade_name
    maps = root / 'ade' / 'annotations' / ade_name
    for folder in (coco, ade, maps, root / 'coco' / 'annotations'):
        folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, getattr(settings, f'{split}_scenes') + 1):
        rng = _rng(settings, 'scene', split, number, 0)
        count = min(int(rng.integers(settings.min_digits, settings.max_digits + 1)), len(indices))
        chosen = rng.choice(indices, count, replace=False)
        picture, owners = render(settings.scene_size, digits.images[chosen], settings, rng)
        name = f'{number:012d}.png'
        images.append(
            {'id': number, 'file_name': name, 'height': owners.shape[0], 'width': owners.shape[1]}
        )
        for position in np.unique(owners[owners >= 0]):
            sample = int(chosen[position])
            annotations.append(
                annotation(
                    owners == position,
                    int(digits.target[sample]),
                    id=len(annotations) + 1,
                    image_id=number,
                    sample=sample,
                )
            )
        labels = np.append(digits.target[chosen] + 2, 1)[owners]  # owner -1 reads the last: 1
        Image.fromarray(picture).save(coco / name)
        Image.fromarray(labels.astype(np.uint8)).save(maps / name)
        try:
            os.link(coco / name, ade / name)
        except OSError:  # a file system without hard links
            shutil.copyfile(coco / name, ade / name)
        bar.update()
    categories = [
        {'id': digit + 1, 'name': name, 'supercategory': 'digit'}
        for digit, name in enumerate(CLASSES)
    ]
    content = {
        'info': {'description': "scikit-learn's handwritten digits over drawn clutter"},
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }
    _dump(root / 'coco' / 'annotations' / f'instances_{coco_name}.json', content)
    return len(annotations)


def make_digits(out, *, progress=True, **settings):
    """Build the dataset in the folder `out`, whole or not at all, and return its manifest.

    `settings` are the fields of Settings. A complete `out` made by this file with equal settings
    is left as it is; any other dataset of ours is replaced. Raises ValueError for settings that
    cannot work and FileExistsError, deleting nothing, where `out` holds anything that is not ours.
    """
    settings = Settings(**settings)
    out = Path(out).resolve()
    wanted = {
        'generator': 'tools/make_digits.py',
        'settings': asdict(settings),
        'source': hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    existing = _ours(out)
    if (
        existing
        and all(existing.get(key) == value for key, value in wanted.items())
        and _count(out) >= existing['files']
    ):
        return existing
    if existing and (extra := {path.name for path in out.iterdir()} - TOP_LEVEL):
        raise FileExistsError(f'{out} must be rebuilt but also holds {min(extra)}: move that away')

    digits = load_digits()
    split = train_test_split(
        np.arange(len(digits.target)),
        test_size=VAL_FRACTION,
        stratify=digits.target,
        random_state=settings.seed,
    )
    split = {name: np.sort(part) for name, part in zip(SPLITS, split, strict=True)}

    partial, old = (out.with_name(f'.{out.name}.{state}') for state in ('partial', 'old'))
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        counts = {}
        total = sum(
            len(split[name]) * getattr(settings, f'{name}_renderings')
            + getattr(settings, f'{name}_scenes')
            for name in SPLITS
        )
        with tqdm(
            total=total, unit='picture', desc=out.name, mininterval=1, disable=not progress
        ) as bar:
            for name, indices in split.items():
                common = (name, indices, digits, settings, bar)
                write_classification(partial / 'imagenet' / SPLITS[name][0], *common)
                instances = write_scenes(partial, *common)
                counts[name] = {
                    'samples': len(indices),
                    'instances': instances,
                    'scenes': getattr(settings, f'{name}_scenes'),
                    'pictures': len(indices) * getattr(settings, f'{name}_renderings'),
                }
        manifest = {
            **wanted,
            'counts': counts,
            'files': _count(partial),
            'classes': FOLDERS,
            'split': {name: indices.tolist() for name, indices in split.items()},
        }
        _dump(partial / MANIFEST, manifest)
        if out.exists():  # ours, or empty
            out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _ours(out)


def _rng(settings, kind, split, *numbers):
    """A generator of its own for each picture: other counts leave the pictures they share alone."""
    return np.random.default_rng(
        [settings.seed, ('picture', 'scene').index(kind), list(SPLITS).index(split), *numbers]
    )


def _dump(path, content):
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n', encoding='utf-8')


def _count(root):
    return sum(1 for pattern in ('*.png', 'instances_*.json') for _ in root.rglob(pattern))


def _ours(out):
    """The manifest of an earlier run in `out`, or None where there is nothing yet."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding='utf-8'))
        ours = manifest['generator'] == 'tools/make_digits.py'
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise FileExistsError(f'{out} exists and was not made by make_digits: name another folder')
    return manifest


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--out', default='data/digits', help='folder to create')
    for item in fields(Settings):
        parser.add_argument(
            f'--{item.name.replace("_", "-")}',
            type=item.type,
            default=item.default,
            help=item.metadata['help'],
        )
    arguments = vars(parser.parse_args(argv))
    try:
        manifest = make_digits(arguments.pop('out'), **arguments)
    except (ValueError, FileExistsError) as error:
        sys.exit(f'make_digits: {error}')
    for name, count in manifest['counts'].items():
        print(f'{name}: ' + ', '.join(f'{number} {what}' for what, number in count.items()))


if __name__ == '__main__':
    main()
