"""Labelled images that a text file lists."""

import os
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..engine.errors import DataError
from .folder import label_classes


@DATASETS.register_module()
class ImageList(BaseDataset):
    """The images that a text file lists, one PATH LABEL per line, under data_root.

    Args:
        ann_file: the list, under data_root too; labels are numbers from 0 on, or names of classes
            in all lines.
        data_root: folder of the images.
        pipeline: as ImageFolder.
        metainfo: as ImageFolder; without it classes are the names in alphabetical order, or the
            numbers up to the highest.
        **: see mmengine.dataset.BaseDataset.

    Raises:
        DataError: no such list, or a line of it that is no path and label.
    """

    def load_data_list(self) -> list[dict]:
        """One dict(img_path, gt_label) per line, in the order of the list."""
        try:
            lines = Path(self.ann_file).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f'{self.ann_file} cannot be read as a list of images '
                f'({type(error).__name__}): give its path as ann_file.'
            ) from None
        samples = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            path, *label = line.strip().rsplit(maxsplit=1)
            if not label:
                raise DataError(
                    f'{self.ann_file} has no label in line {number} ({path}): expected PATH LABEL.'
                )
            samples.append((os.path.join(self.data_root or '', path), *label))
        if not samples:
            raise DataError(f'{self.ann_file} lists no image: expected a line PATH LABEL for each.')
        found = {label for _, label in samples}
        if all(label.isdecimal() for label in found):
            classes = [str(i) for i in range(max(map(int, found)) + 1)]
            known = self._metainfo.setdefault('classes', classes)
            if len(known) < len(classes):
                raise DataError(
                    f'{self.ann_file} has label {len(classes) - 1}, metainfo names '
                    f'{len(known)} classes: make them agree.'
                )
            labels = {label: int(label) for label in found}
        else:
            labels = label_classes(self, found, self.ann_file)
        return [dict(img_path=path, gt_label=labels[label]) for path, label in samples]
