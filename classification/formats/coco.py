"""Detections of many images as one file in COCO's format."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..results import Instances
from ..results.writer import RecordWriter
from .json_lines import JsonLines


class CocoResults(RecordWriter):
    """results.json: images, annotations and categories; pycocotools.coco.COCO reads it.

    Until `finish`, results.jsonl has a line per image.

    Category ids are positions in the classes, from 1. All instances are written, with scores.

    Args: as `results.writer.ResultsWriter`.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.lines = JsonLines(out / 'results.jsonl')
        self.categories = [{'id': i, 'name': name} for i, name in enumerate(classes, start=1)]
        self.annotations = 0

    def record(self, file_name: str, result: Instances) -> dict[str, Any]:
        """The instances of an image: boxes, scores, and masks where there are any."""
        height, width = result.image.shape[:2]
        image = {'id': 1, 'file_name': file_name, 'height': height, 'width': width}
        return {'image': image, 'annotations': result.to_coco()}

    def put(self, record: dict[str, Any]) -> None:
        """Take the record of an image, with the next ids."""
        image_id, first = len(self.lines) + 1, self.annotations + 1
        image = {**record['image'], 'id': image_id}
        annotations = [
            {**annotation, 'id': i, 'image_id': image_id}
            for i, annotation in enumerate(record['annotations'], start=first)
        ]
        self.annotations += len(annotations)
        self.lines.add({'image': image, 'annotations': annotations})

    def finish(self) -> None:
        """Put the lines together as one file."""

        def annotations() -> Iterator[Any]:
            for line in self.lines:
                yield from line['annotations']

        self.lines.replace_by(
            {
                'images': (line['image'] for line in self.lines),
                'annotations': annotations(),
                'categories': self.categories,
            }
        )
