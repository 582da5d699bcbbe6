"""Datasets of handwritten digits in the layouts of ImageNet, COCO and ADE20K.

    OUT/imagenet/{train,val}/0_zero ... 9_nine/sample<index>_<rendering>.png   one digit per picture
    OUT/coco/{train2017,val2017}/*.png, annotations/instances_{train,val}2017.json
    OUT/ade/{images,annotations}/{training,validation}/*.png                   the same scenes
    OUT/digits.json                                   settings, split and counts, written last

Samples are divided between train and val before anything is drawn, stratified by digit; the source
does not tell writers apart, so samples are disjoint and writers may not be.

A picture for the classifier is a scene with one digit, drawn by the same code, so what is learned
on the first carries over to the second. Masks are the visible ink, stored as RLE so that COCO masks
and semantic maps agree pixel for pixel. Digit d is COCO category d + 1. In the semantic maps 0 is
unlabelled (and unused), 1 is background and d + 2 is digit d, so that mmseg's
`reduce_zero_label=True` leaves the eleven classes SEG_CLASSES; its ADE20KDataset insists on ADE's
own class names, so use BaseSegDataset with `metainfo` and `img_suffix='.png'`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch
from tqdm import tqdm

from . import digits as drawing
from .digits import CLASSES, FOLDERS, Settings, render

GENERATOR = 'tools/make_digits.py'  # by which a folder of ours is known
MANIFEST = 'digits.json'
TOP_LEVEL = {'imagenet', 'coco', 'ade', MANIFEST}
# Where a split lives in each layout: (ImageNet folder, COCO folder, ADE20K folder).
SPLITS = {'train': ('train', 'train2017', 'training'), 'val': ('val', 'val2017', 'validation')}
VAL_FRACTION = 0.2


def make_digits(
    out: str | os.PathLike, *, progress: bool = True, **settings: Any
) -> dict[str, Any]:
    """Build the dataset in the folder `out`, whole or not at all.

    A complete `out` made by this code with equal settings is left as it is; any other dataset of
    ours is replaced.

    Args:
        out: the folder.
        progress: show a progress bar.
        settings: fields of Settings.

    Returns:
        The manifest: settings, split and counts.

    Raises:
        ValueError: settings that cannot work.
        FileExistsError: `out` holds anything that is not ours; nothing is deleted.
    """
    chosen = Settings(**settings)
    out = Path(out).resolve()
    wanted = {'generator': GENERATOR, 'settings': asdict(chosen), 'source': _source()}
    existing = _ours(out)
    if existing and _is_complete(out, existing, wanted):
        return existing
    if existing and (extra := {path.name for path in out.iterdir()} - TOP_LEVEL):
        raise FileExistsError(f'{out} must be rebuilt but also holds {min(extra)}: move that away')

    partial, old = (out.with_name(f'.{out.name}.{state}') for state in ('partial', 'old'))
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(partial, chosen, wanted, out.name, progress)
        if out.exists():  # ours, or empty
            out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return cast(dict[str, Any], _ours(out))  # it is there now


def describe(manifest: dict[str, Any]) -> str:
    """What `make_digits` made, one line per split."""
    return '\n'.join(
        f'{name}: ' + ', '.join(f'{number} {what}' for what, number in count.items())
        for name, count in manifest['counts'].items()
    )


def _write(root: Path, settings: Settings, wanted: dict, title: str, progress: bool) -> None:
    samples = load_digits()
    split = split_samples(samples, settings.seed)
    total = sum(
        len(split[name]) * getattr(settings, f'{name}_renderings')
        + getattr(settings, f'{name}_scenes')
        for name in SPLITS
    )
    counts = {}
    with tqdm(total=total, unit='picture', desc=title, mininterval=1, disable=not progress) as bar:
        for name, indices in split.items():
            common = (name, indices, samples, settings, bar)
            write_classification(root / 'imagenet' / SPLITS[name][0], *common)
            instances = write_scenes(root, *common)
            counts[name] = {
                'samples': len(indices),
                'instances': instances,
                'scenes': getattr(settings, f'{name}_scenes'),
                'pictures': len(indices) * getattr(settings, f'{name}_renderings'),
            }
    manifest = {
        **wanted,
        'counts': counts,
        'files': _count(root),
        'classes': FOLDERS,
        'split': {name: indices.tolist() for name, indices in split.items()},
    }
    _dump(root / MANIFEST, manifest)


def split_samples(samples: Bunch, seed: int) -> dict[str, np.ndarray]:
    """Indices of the samples of 'train' and 'val', in which every digit has the same share."""
    parts = train_test_split(
        np.arange(len(samples.target)),
        test_size=VAL_FRACTION,
        stratify=samples.target,
        random_state=seed,
    )
    return {name: np.sort(part) for name, part in zip(SPLITS, parts, strict=True)}


def write_classification(
    root: Path,
    split: str,
    indices: Sequence[int] | np.ndarray,
    samples: Bunch,
    settings: Settings,
    bar: tqdm,
) -> None:
    """Write every sample's renderings, one digit each, into its class folder under `root`.

    Args:
        split: 'train' or 'val'.
        indices: of the split's samples.
        samples: scikit-learn's digits: `images` (N, 8, 8) and `target` (N,).
        bar: moved on by each picture.
    """
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    for index in indices:
        for repeat in range(getattr(settings, f'{split}_renderings')):
            rng = _rng(settings, 'picture', split, index, repeat)
            picture, _ = render(settings.patch_size, samples.images[[index]], settings, rng)
            folder = root / FOLDERS[samples.target[index]]
            Image.fromarray(picture).save(folder / f'sample{index:04d}_{repeat}.png')
            bar.update()


def write_scenes(
    root: Path,
    split: str,
    indices: Sequence[int] | np.ndarray,
    samples: Bunch,
    settings: Settings,
    bar: tqdm,
) -> int:
    """Write one split's scenes, their COCO annotations and their semantic maps under `root`.

    Args:
        split, indices, samples, settings, bar: as for `write_classification`.

    Returns:
        The number of annotated digits.
    """
    _, coco_name, ade_name = SPLITS[split]
    coco, ade = root / 'coco' / coco_name, root / 'ade' / 'images' / ade_name
    maps = root / 'ade' / 'annotations' / ade_name
    for folder in (coco, ade, maps, root / 'coco' / 'annotations'):
        folder.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for number in range(1, getattr(settings, f'{split}_scenes') + 1):
        rng = _rng(settings, 'scene', split, number, 0)
        count = min(int(rng.integers(settings.min_digits, settings.max_digits + 1)), len(indices))
        chosen = rng.choice(indices, count, replace=False)
        picture, owners = render(settings.scene_size, samples.images[chosen], settings, rng)
        name = f'{number:012d}.png'
        images.append(
            {'id': number, 'file_name': name, 'height': owners.shape[0], 'width': owners.shape[1]}
        )
        for index in np.unique(owners[owners >= 0]):
            sample = int(chosen[index])
            ids = dict(id=len(annotations) + 1, image_id=number, sample=sample)
            annotations.append(_annotation(owners == index, int(samples.target[sample]), ids))
        labels = np.append(samples.target[chosen] + 2, 1)[owners]  # owner -1 reads the last: 1
        Image.fromarray(picture).save(coco / name)
        Image.fromarray(labels.astype(np.uint8)).save(maps / name)
        try:
            os.link(coco / name, ade / name)
        except OSError:  # a file system without hard links
            shutil.copyfile(coco / name, ade / name)
        bar.update()
    content = _coco_content(images, annotations)
    _dump(root / 'coco' / 'annotations' / f'instances_{coco_name}.json', content)
    return len(annotations)


def _coco_content(images: list[dict], annotations: list[dict]) -> dict[str, Any]:
    categories = [
        {'id': digit + 1, 'name': name, 'supercategory': 'digit'}
        for digit, name in enumerate(CLASSES)
    ]
    return {
        'info': {'description': "scikit-learn's handwritten digits over drawn clutter"},
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }


def _annotation(mask: np.ndarray, digit: int, ids: dict[str, int]) -> dict[str, Any]:
    """The COCO annotation of one visible mask (H, W); `bbox` is x, y, width, height in pixels."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        **ids,
        'category_id': digit + 1,
        'bbox': [int(side) for side in coco_mask.toBbox(rle)],
        'area': int(coco_mask.area(rle)),
        'iscrowd': 0,
        'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode('ascii')},
    }


def _rng(settings: Settings, kind: str, split: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for each picture: other counts leave the pictures they share alone."""
    return np.random.default_rng(
        [settings.seed, ('picture', 'scene').index(kind), list(SPLITS).index(split), *numbers]
    )


def _source() -> str:
    """Digest of the code that makes the files."""
    files = (Path(drawing.__file__), Path(__file__))
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()


def _is_complete(out: Path, existing: dict, wanted: dict) -> bool:
    same = all(existing.get(key) == value for key, value in wanted.items())
    return same and _count(out) >= existing['files']


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n', encoding='utf-8')


def _count(root: Path) -> int:
    return sum(1 for pattern in ('*.png', 'instances_*.json') for _ in root.rglob(pattern))


def _ours(out: Path) -> dict[str, Any] | None:
    """The manifest of an earlier run in `out`, or None where there is nothing yet."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding='utf-8'))
        ours = manifest['generator'] == GENERATOR
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise FileExistsError(f'{out} exists and was not made by make_digits: name another folder')
    return manifest
