"""Images and their maps of classes, listed in a file."""

from pathlib import Path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from classification.engine.errors import DataError


@DATASETS.register_module()
class ListedMaps(BaseSegDataset):
    """The pairs that `ann_file` lists, IMAGE and MAP per line with a tab between, of any suffixes.

    Args:
        ann_file: the list; its paths are absolute or from the folder that it lies in.
        metainfo: dict(classes=…, palette=…); values of maps are positions in `classes`, 255 is
            ignored.
        **: see mmseg.datasets.BaseSegDataset.

    Raises:
        DataError: a line that is no pair.
    """

    def load_data_list(self) -> list[dict]:
        """One dict(img_path, seg_map_path, …) per line."""
        file = Path(self.ann_file)
        pairs = []
        for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), start=1):
            image, tab, label_map = line.partition('\t')
            if not tab:
                raise DataError(
                    f'{file} has no map in line {number} ({image}): expected IMAGE, a tab, MAP.'
                )
            pairs.append(
                dict(
                    img_path=str(file.parent / image),
                    seg_map_path=str(file.parent / label_map),
                    label_map=self.label_map,
                    reduce_zero_label=self.reduce_zero_label,
                    seg_fields=[],
                )
            )
        return pairs
