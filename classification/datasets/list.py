"""Labelled images that a text file lists."""

import os
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..engine.errors import DataError
from .folder import label_classes

# More without names are taken for a mistake, such as ids of images.
_MOST_CLASSES = 1_000_000


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
        labels = self._labels({label for _, label in samples})
        return [dict(img_path=path, gt_label=labels[label]) for path, label in samples]

    def _labels(self, found: set[str]) -> dict[str, int]:
        """Number of each label of the list, of which the classes are made where none are known."""
        known = self._metainfo.get('classes')
        if not all(label.isascii() and label.isdigit() for label in found):
            numbers = [label for label in found if label.lstrip('+-').isdigit()]  # such as -1, ²
            if numbers and not found <= set(known or ()):
                raise DataError(
                    f'{self.ann_file} has label {min(numbers)[:20]}: labels are numbers from 0 on '
                    'in all lines, or names of classes in all lines.'
                )
            return label_classes(self, found, self.ann_file)
        # Python refuses to read numbers of thousands of digits.
        labels = {label: int(label) if len(label) < 10 else _MOST_CLASSES for label in found}
        highest = max(found, key=lambda label: labels[label])
        if known is None:
            if labels[highest] >= _MOST_CLASSES:
                raise DataError(
                    f'{self.ann_file} has label {highest[:20]}: labels are positions of classes, '
                    'from 0; number them so, or name the classes in metainfo.'
                )
            known = self._metainfo['classes'] = [str(i) for i in range(labels[highest] + 1)]
        if labels[highest] >= len(known):
            raise DataError(
                f'{self.ann_file} has label {highest[:20]}, metainfo names {len(known)} classes: '
                'make them agree.'
            )
        return labels
