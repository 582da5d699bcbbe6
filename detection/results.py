"""Detections of many images as one file in COCO's format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


class CocoResults:
    """results.json: images, annotations and categories; pycocotools.coco.COCO reads it.

    Args:
        out: folder of the file.
        classes: names; category ids are their positions, from 1.
    """

    def __init__(self, out: Path, classes: Sequence[str]):
        self.out = out
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.categories = [{'id': i, 'name': name} for i, name in enumerate(classes, start=1)]

    def add(self, path: Path, name: Path, sample: Any) -> None:
        """Take the instances of an image: boxes, scores, and masks where there are any."""
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

    def finish(self) -> None:
        """Write the file."""
        content = {
            'images': self.images,
            'annotations': self.annotations,
            'categories': self.categories,
        }
        (self.out / 'results.json').write_text(json.dumps(content) + '\n')
