"""Recognises the layout of annotated images by looking, and reads them."""

import os
from collections.abc import Sequence
from pathlib import Path

from .records import Annotations

LAYOUTS = ('coco', 'yolo', 'voc', 'labelme', 'cvat', 'maps', 'folders')
# What is learned: boxes, masks of objects, maps of classes, classes of whole images.
TASKS = ('detect', 'segment', 'semantic', 'classify')


def read_dataset(
    path: str | os.PathLike,
    layout: str | None = None,
    task: str | None = None,
    classes: Sequence[str] | None = None,
    images: str | os.PathLike | None = None,
    labels: str | os.PathLike | None = None,
) -> Annotations:
    """Recognise, read and describe annotated images; `Annotations.notes` say what was found and why.

    Args:
        path: the folder as it was downloaded or made, or its one file of annotations.
        layout: one of LAYOUTS, None to recognise it.
        task: one of TASKS, None for all that the annotations allow.
        classes: names of the classes in order, None for those that the annotations name.
        images: the folder of the images, where it cannot be found from `path`.
        labels: the folder of the annotations (or maps), likewise.

    Raises:
        UsageError: nothing was recognised, or more than one reading is possible; the sentence names
            the options that answer it.
        DataError: a file that all depends on cannot be read.
    """
    raise NotImplementedError(Path(path))
