"""Detections as files to correct and to train on again, YOLO's and labelme's.

They are annotations and have no scores: they hold the instances above the threshold alone. OpenCV
finds the outlines of masks.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..engine.extras import need
from ..results import Instances


class YoloFiles:
    """labels/….txt with a line per instance, polygons where there are masks; and data.yaml."""

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.out, self.score_thr = out, score_thr
        _opencv()  # before the first image
        yaml = need('yaml', 'pyyaml', 'The format yolo')
        names = dict(enumerate(map(str, classes)))
        (out / 'data.yaml').write_text(yaml.safe_dump({'names': names}, sort_keys=False))

    def add(self, file_name: str, name: Path, result: Instances) -> None:
        """Write the file of an image: class, then numbers from 0 to 1."""
        height, width = result.image.shape[:2]
        found, lines = result.above(self.score_thr), []
        for i in range(len(found)):
            for polygon in polygons(found, i):
                numbers = polygon / [width, height]
                if found.cut_masks is None:  # two corners: as centre and size
                    numbers = np.stack([numbers.mean(axis=0), numbers[1] - numbers[0]])
                values = ' '.join(f'{number:.6g}' for number in numbers.clip(0, 1).ravel())
                lines.append(f'{found.labels[i]} {values}\n')
        file = self.out / 'labels' / f'{name}.txt'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(''.join(lines))

    def finish(self) -> None:
        """Do nothing: each file is written as it comes."""


class LabelmeFiles:
    """labelme/….json, one per image, to open and correct in labelme.

    An image that is no file, such as a frame of a video, is written beside its own.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.out, self.score_thr = out / 'labelme', score_thr
        _opencv()  # before the first image

    def add(self, file_name: str, name: Path, result: Instances) -> None:
        """Write the file of an image."""
        file = self.out / f'{name}.json'
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Path(file_name)
        if not image.is_file():
            image = file.with_suffix('.png')
            Image.fromarray(result.image).save(image)
        height, width = result.image.shape[:2]
        found = result.above(self.score_thr)
        shapes: list[dict[str, Any]] = [
            {
                'label': found.names[found.labels[i]],
                'points': polygon.tolist(),
                'group_id': i,  # the parts of one instance
                'shape_type': 'rectangle' if found.cut_masks is None else 'polygon',
                'flags': {},
            }
            for i in range(len(found))
            for polygon in polygons(found, i)
        ]
        content = {
            'version': '5.0.0',
            'flags': {},
            'shapes': shapes,
            'imagePath': os.path.relpath(image, file.parent),
            'imageData': None,
            'imageHeight': height,
            'imageWidth': width,
        }
        file.write_text(json.dumps(content, indent=1) + '\n')

    def finish(self) -> None:
        """Do nothing: each file is written as it comes."""


def polygons(found: Instances, i: int) -> list[np.ndarray]:
    """Outlines (N, 2) of the parts of an instance's mask; without masks its box's two corners."""
    if found.cut_masks is None:
        return [found.boxes[i].reshape(2, 2).astype(float)]
    _opencv()
    from ..results.outlines import outlines  # needs it

    return outlines(found.cut_masks[i])


def _opencv() -> Any:
    return need('cv2', 'opencv-python-headless', 'The outline of a mask')
