"""Predict images: what is in them, drawn over them and written in a file for programs.

    python tools/predict.py CONFIG CHECKPOINT IMAGES… --out DIR

IMAGES are files, folders (searched in depth) and globs. DIR receives

    overlays/…       each image with its instances, its map of classes, or its five best classes
    results.json     detection: COCO format with file names, boxes, scores and RLE masks;
                     category ids are positions in `classes`, from 1
    masks/….png      segmentation: a palette PNG whose values are positions in `classes`, from 0
    results.json     classification: the five best classes of each image

Sub-folders and names are those of the images. Small images are enlarged in the overlays alone.
"""

import glob
import json
import os
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, init_default_scope
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.config import leaf_datasets, load_config
from classification.engine.errors import DataError, UsageError
from classification.engine.loading import load_weights
from classification.engine.samples import check_image
from classification.engine.weights import read_checkpoint
from classification.visualization.drawing import class_colours, draw_prediction, read_picture


def parse_args(argv=None):
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL')
    parser.add_argument('images', nargs='+', metavar='IMAGES', help='files, folders, globs')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of an instance in the overlays (default 0.3); results.json has all',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images of one size are predicted together'
    )
    parser.add_argument('--device', default=get_device(), help='default: %(default)s')
    args = parser.parse_args(argv)
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: this machine has no GPU that torch can use')
    return args


def find_images(patterns):
    """{image path: its name in DIR, without suffix}, in the order found, each image once.

    A name is the path below the folder that was given, or that all images of a glob share.

    Raises:
        UsageError: a pattern finds nothing, or two images would be written to one file.
    """
    names = {}
    for pattern in patterns:
        path = Path(pattern)
        found = path.rglob('*') if path.is_dir() else map(Path, glob.glob(pattern, recursive=True))
        if path.is_file():  # whatever its name looks like to glob
            found = [path]
        found = sorted(p for p in found if p.suffix.lower() in IMG_EXTENSIONS and p.is_file())
        if not found:
            raise UsageError(f'{pattern} is no image ({" ".join(IMG_EXTENSIONS)}) and holds none.')
        root = path if path.is_dir() else os.path.commonpath([p.parent for p in found])
        names.update({p: p.relative_to(root).with_suffix('') for p in found})
    taken = {}
    for path, name in names.items():
        other = taken.setdefault(name, path)
        if other.resolve() != path.resolve():
            raise UsageError(
                f'{path} and {other} would be written to one file: predict them one after another.'
            )
    return {taken[name]: name for name in taken}


def find_classes(cfg, checkpoint):
    """(names, colours) of the classes: as training saved them, else as the config has them."""
    meta = {}
    if Path(checkpoint).is_file():
        meta = (read_checkpoint(checkpoint).get('meta') or {}).get('dataset_meta') or {}
    if 'classes' not in meta:
        dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
        meta = DATASETS.get(dataset['type'])._load_metainfo(dataset.get('metainfo'))
    if not meta.get('classes'):
        raise UsageError(
            f'Neither {checkpoint} nor {cfg.filename} names the classes: '
            'add metainfo=dict(classes=…) to the test dataset.'
        )
    return meta['classes'], class_colours(meta)


def build_model(cfg, checkpoint, device):
    """The config's model with a checkpoint's weights, ready to predict."""
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    load_weights(model, checkpoint)
    return model.to(device).eval()


def build_pipeline(cfg):
    """(image path -> model input, list of inputs -> batch), as in testing, without annotations."""
    dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
    steps = [step for step in dataset['pipeline'] if 'Annotations' not in step['type']]
    collate = cfg.test_dataloader.get('collate_fn')
    return Compose(steps), FUNCTIONS.get(collate['type']) if collate else pseudo_collate


def batches(paths, pipeline, size, unreadable):
    """Lists of up to `size` pairs (path, input) of equal shape; what cannot be read is listed."""
    batch = []
    for path in paths:
        try:
            data = pipeline(dict(img_path=str(path)))
        except Exception as error:
            try:
                check_image(path)
            except DataError:
                unreadable.append(path)
                yield []
                continue
            raise error
        if batch and data['inputs'].shape != batch[0][1]['inputs'].shape:
            yield batch
            batch = []
        batch.append((path, data))
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


class Instances:
    """Detections of all images, in COCO's format: pycocotools.coco.COCO reads the file."""

    def __init__(self, out, classes):
        self.out = out
        self.images, self.annotations = [], []
        self.categories = [{'id': i, 'name': name} for i, name in enumerate(classes, start=1)]

    def add(self, path, name, sample):
        found = sample.pred_instances.cpu()
        height, width = sample.ori_shape
        image_id = len(self.images) + 1
        self.images.append(
            {'id': image_id, 'file_name': str(path), 'height': height, 'width': width}
        )
        for i in range(len(found)):
            x1, y1, x2, y2 = found.bboxes[i].tolist()
            annotation = {
                'id': len(self.annotations) + 1,
                'image_id': image_id,
                'category_id': int(found.labels[i]) + 1,
                'bbox': [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)],
                'area': round((x2 - x1) * (y2 - y1), 2),
                'iscrowd': 0,
                'score': round(float(found.scores[i]), 5),
            }
            if 'masks' in found:
                rle = coco_mask.encode(np.asfortranarray(found.masks[i].numpy().astype(np.uint8)))
                annotation['area'] = int(coco_mask.area(rle))
                annotation['segmentation'] = {**rle, 'counts': rle['counts'].decode()}
            self.annotations.append(annotation)

    def finish(self):
        _write_json(
            self.out / 'results.json',
            {'images': self.images, 'annotations': self.annotations, 'categories': self.categories},
        )


class Maps:
    """Semantic maps, a PNG each: of 8 bits with a palette, or of 16 bits for over 256 classes."""

    def __init__(self, out, palette):
        self.out = out
        self.palette = np.uint8(palette)

    def add(self, path, name, sample):
        labels = sample.pred_sem_seg.data[0].cpu().numpy()
        if len(self.palette) > 256:
            picture = Image.fromarray(labels.astype(np.uint16))
        else:
            picture = Image.fromarray(labels.astype(np.uint8))
            picture.putpalette(self.palette.ravel().tolist())
        file = self.out / 'masks' / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)

    def finish(self):
        pass


class Classes:
    """The five best classes of all images."""

    def __init__(self, out, classes):
        self.out = out
        self.classes = classes
        self.results = []

    def add(self, path, name, sample):
        scores, labels = sample['scores'].topk(min(5, len(self.classes)))
        best = [
            {'class': self.classes[label], 'score': round(score, 5)}
            for score, label in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
        self.results.append({'file_name': str(path), 'best': best})

    def finish(self):
        _write_json(self.out / 'results.json', self.results)


def _write_json(path, content):
    path.write_text(json.dumps(content) + '\n')


def writer_for(sample, out, classes, palette):
    """What keeps the predictions of this kind of model."""
    if isinstance(sample, dict):
        return Classes(out, classes)
    return Maps(out, palette) if 'pred_sem_seg' in sample else Instances(out, classes)


@torch.no_grad()
def predict(model, pipeline, collate, images, args, classes, palette):
    """Predict and write; the images that could not be read."""
    unreadable, writer = [], None
    args.out.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(images), desc='predict', unit='image') as bar:
        for batch in batches(images, pipeline, args.batch_size, unreadable):
            samples = model.test_step(collate([data for _, data in batch])) if batch else []
            for (path, _), sample in zip(batch, samples, strict=True):
                writer = writer or writer_for(sample, args.out, classes, palette)
                writer.add(path, images[path], sample)
                suffix = '.png' if path.suffix.lower() == '.png' else '.jpg'
                file = args.out / 'overlays' / f'{images[path]}{suffix}'
                file.parent.mkdir(parents=True, exist_ok=True)
                picture = read_picture(path)
                draw_prediction(picture, sample, classes, palette, args.score_thr).save(file)
                bar.update()
    if writer:
        writer.finish()
    return unreadable


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        images = find_images(args.images)
        cfg = load_config(args.config, args.cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        model = build_model(cfg, args.checkpoint, args.device)
        classes, palette = find_classes(cfg, args.checkpoint)
        unreadable = predict(model, *build_pipeline(cfg), images, args, classes, palette)
        done = len(images) - len(unreadable)
        print(f'{done} of {len(images)} images predicted, see {args.out}')
        if unreadable:
            raise DataError(
                f'{", ".join(map(str, unreadable))} cannot be read: replace or leave out.'
            )


if __name__ == '__main__':
    main()
