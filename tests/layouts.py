"""Writes annotated scenes in each layout that is read, so exactly that they can be read back."""

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from sklearn.datasets import load_digits

from classification.datasets.digits import CLASSES, Settings, render


@dataclass
class Scene:
    """A picture (H, W, 3) with its objects, as (name of the class, mask (H, W) of bool)."""

    name: str
    picture: np.ndarray
    objects: list[tuple[str, np.ndarray]] = field(default_factory=list)
    split: str = 'train'

    @property
    def size(self):
        return self.picture.shape[1], self.picture.shape[0]

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.picture).save(path)
        return path


def digit_scenes(count=4, size=96):
    """Scenes of handwritten digits, the last one without any, half of them to validate with."""
    samples, settings = load_digits(), Settings(scene_size=size, max_height=40)
    scenes = []
    for number in range(count):
        rng = np.random.default_rng(number)
        chosen = [] if number == count - 1 else rng.choice(len(samples.target), 4, replace=False)
        picture, owners = render(size, samples.images[chosen], settings, rng)
        objects = [
            (CLASSES[samples.target[chosen[index]]], owners == index)
            for index in np.unique(owners[owners >= 0])
        ]
        split = 'train' if number < count / 2 else 'val'
        scenes.append(Scene(f'scene {number}', picture, objects, split))
    return scenes


def box_of(mask):
    """(x1, y1, x2, y2), the far edges, of a mask."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return tuple(map(float, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)))


def outline_of(mask):
    """One polygon [x1, y1, …] that fills exactly a mask, holes and parts included.

    It goes round each run of pixels in a row, and from the first to each next and back on the same
    line, which encloses nothing.
    """
    corners = []
    for row in np.flatnonzero(mask.any(1)):
        edges = np.flatnonzero(np.diff(mask[row].astype(int), prepend=0, append=0))
        for left, right in edges.reshape(-1, 2).tolist():
            corners.append([left, row, right, row, right, row + 1, left, row + 1, left, row])
    start = corners[0][:2]
    return [float(value) for loop in corners for value in [*loop, *start]]


def mask_of(instance, size):
    """The mask (H, W) of an instance, None where it has a box alone."""
    if not instance.has_mask:
        return None
    width, height = size
    rle = instance.rle
    if rle is None:
        rle = coco_mask.merge(coco_mask.frPyObjects(instance.polygons, height, width))
    return coco_mask.decode(rle).astype(bool)


def write_yolo(root, scenes, masks=True, names=CLASSES):
    """Ultralytics' tree with data.yaml, six decimals as its tools write."""
    for scene in scenes:
        scene.save(root / 'images' / scene.split / f'{scene.name}.png')
        lines = []
        for name, mask in scene.objects:
            x1, y1, x2, y2 = box_of(mask)
            values = outline_of(mask) if masks else [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
            shares = [value / scene.size[index % 2] for index, value in enumerate(values)]
            lines.append(' '.join([str(names.index(name)), *(f'{share:.6f}' for share in shares)]))
        write(root / 'labels' / scene.split / f'{scene.name}.txt', '\n'.join(lines))
    listed = ''.join(f'  {number}: {name}\n' for number, name in enumerate(names))
    write(root / 'data.yaml', f'train: images/train\nval: images/val\nnames:\n{listed}')
    return root


def write_voc(root, scenes, masks=False):
    """The development kit's tree, corners from 1 as mmdet reads them."""
    lists = {'train': [], 'val': []}
    for scene in scenes:
        scene.save(root / 'JPEGImages' / f'{scene.name}.png')
        lists[scene.split].append(scene.name)
        write(root / 'Annotations' / f'{scene.name}.xml', voc_text(scene))
    for split, names in lists.items():
        write(root / 'ImageSets' / 'Main' / f'{split}.txt', '\n'.join(names))
    return root


def voc_text(scene):
    objects = ''
    for name, mask in scene.objects:
        sides = zip(('xmin', 'ymin', 'xmax', 'ymax'), box_of(mask), strict=True)
        box = ''.join(f'<{side}>{value + 1:.0f}</{side}>' for side, value in sides)
        objects += (
            f'<object><name>{name}</name><difficult>0</difficult><bndbox>{box}</bndbox></object>'
        )
    width, height = scene.size
    return (
        f'<annotation><filename>{scene.name}.png</filename><size><width>{width}</width>'
        f'<height>{height}</height><depth>3</depth></size>{objects}</annotation>'
    )


def write_labelme(root, scenes, masks='polygon'):
    """A JSON file beside each image; `masks` is 'polygon', 'mask' or None for rectangles."""
    for scene in scenes:
        folder = root / scene.split
        scene.save(folder / f'{scene.name}.png')
        write(folder / f'{scene.name}.json', json.dumps(labelme_content(scene, masks)))
    return root


def labelme_content(scene, masks='polygon'):
    shapes = []
    for name, mask in scene.objects:
        x1, y1, x2, y2 = box_of(mask)
        shape = dict(label=name, points=[[x1, y1], [x2, y2]], group_id=None, flags={})
        shape['shape_type'] = masks or 'rectangle'
        if masks == 'polygon':
            shape['points'] = np.reshape(outline_of(mask), (-1, 2)).tolist()
        if masks == 'mask':
            part = mask[int(y1) : int(y2), int(x1) : int(x2)]
            shape['points'] = [[x1, y1], [x2 - 1, y2 - 1]]
            shape['mask'] = png_text(part)
        shapes.append(shape)
    return dict(
        version='5.5.0',
        flags={},
        shapes=shapes,
        imagePath=f'{scene.name}.png',
        imageData=None,
        imageWidth=scene.size[0],
        imageHeight=scene.size[1],
    )


def png_text(mask):
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, 'PNG')
    return base64.b64encode(stream.getvalue()).decode()


def write_cvat(root, scenes, masks='polygon'):
    """One annotations.xml; `masks` is 'polygon', 'mask' or None for boxes."""
    for scene in scenes:
        scene.save(root / 'images' / f'{scene.name}.png')
    write(root / 'annotations.xml', cvat_text(scenes, masks))
    return root


def cvat_text(scenes, masks='polygon', names=CLASSES):
    labels = ''.join(f'<label><name>{name}</name></label>' for name in names)
    images = ''
    for number, scene in enumerate(scenes):
        shapes = ''
        for name, mask in scene.objects:
            x1, y1, x2, y2 = box_of(mask)
            if masks == 'polygon':
                points = np.reshape(outline_of(mask), (-1, 2))
                text = ';'.join(f'{x:.2f},{y:.2f}' for x, y in points)
                shapes += f'<polygon label="{name}" points="{text}" occluded="0" z_order="0"/>'
            elif masks == 'mask':
                part = mask[int(y1) : int(y2), int(x1) : int(x2)]
                flat = np.concatenate([[0], part.ravel(), [1 - part.ravel()[-1]]])
                counts = np.diff(np.flatnonzero(np.diff(flat, prepend=1)))
                counts[0] -= 1
                rle = ', '.join(map(str, counts))
                place = (
                    f'left="{x1:.0f}" top="{y1:.0f}" width="{x2 - x1:.0f}" height="{y2 - y1:.0f}"'
                )
                shapes += f'<mask label="{name}" rle="{rle}" {place}/>'
            else:
                shapes += f'<box label="{name}" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
        subset = {'train': 'Train', 'val': 'Validation'}[scene.split]
        images += (
            f'<image id="{number}" name={quoteattr(scene.name + ".png")} subset="{subset}" '
            f'width="{scene.size[0]}" height="{scene.size[1]}">{shapes}</image>'
        )
    meta = f'<meta><task><labels>{labels}</labels></task></meta>'
    return f'<?xml version="1.0"?><annotations><version>1.1</version>{meta}{images}</annotations>'


def write_coco(root, scenes, masks='rle', names=CLASSES):
    """COCO's tree; `masks` is 'polygon', 'rle' or None."""
    for split in ('train', 'val'):
        images, objects = [], []
        for number, scene in enumerate((s for s in scenes if s.split == split), 1):
            path = scene.save(root / f'{split}2017' / f'{scene.name}.png')
            width, height = scene.size
            images.append(dict(id=number, file_name=path.name, width=width, height=height))
            for name, mask in scene.objects:
                x1, y1, x2, y2 = box_of(mask)
                record = dict(id=len(objects) + 1, image_id=number, iscrowd=0, area=int(mask.sum()))
                record.update(bbox=[x1, y1, x2 - x1, y2 - y1], category_id=names.index(name) + 1)
                if masks == 'polygon':
                    record['segmentation'] = [outline_of(mask)]
                elif masks:
                    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
                    record['segmentation'] = {**rle, 'counts': rle['counts'].decode()}
                objects.append(record)
        categories = [dict(id=number, name=name) for number, name in enumerate(names, 1)]
        content = dict(images=images, annotations=objects, categories=categories)
        write(root / 'annotations' / f'instances_{split}2017.json', json.dumps(content))
    return root


def write_maps(root, scenes, colours=None, names=CLASSES):
    """images/SPLIT and masks/SPLIT: indexes with 0 for the ground, or colours and a legend."""
    for scene in scenes:
        scene.save(root / 'images' / scene.split / f'{scene.name}.png')
        labels = labels_of(scene, names)
        path = root / 'masks' / scene.split / f'{scene.name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = labels if colours is None else np.array(colours, np.uint8)[labels]
        Image.fromarray(picture).save(path)
    rows = ['name,value'] if colours is None else ['name,r,g,b']
    for number, name in enumerate(('ground', *names)):
        values = [number] if colours is None else colours[number]
        rows.append(','.join(map(str, [name, *values])))
    write(root / 'legend.csv', '\n'.join(rows))
    return root


def labels_of(scene, names=CLASSES):
    """A map (H, W) of indexes: 0 for the ground, 1 for the first class."""
    labels = np.zeros(scene.picture.shape[:2], np.uint8)
    for name, mask in scene.objects:
        labels[mask] = names.index(name) + 1
    return labels


def write_folders(root, scenes):
    """One folder per class, of the first object's; scenes without one are left out."""
    for scene in scenes:
        if scene.objects:
            scene.save(root / scene.split / scene.objects[0][0] / f'{scene.name}.png')
    return root


def write(path, text, encoding='utf-8'):
    """Write a text file in a folder that may not exist yet."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path
