"""mmdet's loading of images, by the reader that all tasks share."""

from typing import Any

import mmcv.transforms
from mmdet.registry import TRANSFORMS

from classification.datasets.transforms import ReadsWithOneReader
from classification.engine.errors import DataError


@TRANSFORMS.register_module()
class LoadImageFromFile(ReadsWithOneReader, mmcv.transforms.LoadImageFromFile):
    """What `LoadImageFromFile` means in mmdet's scope, where mmcv's alone would be found.

    Raises:
        DataError: the file cannot be read, or the annotations are for an image of another size.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """As mmcv's, see `ReadsWithOneReader`."""
        loaded = super().transform(results)
        if loaded is None:
            return None
        size = loaded.get('width'), loaded.get('height')
        height, width = loaded['ori_shape']
        if None not in size and size != (width, height):
            raise DataError(
                f'{loaded["img_path"]} is {width}x{height} (width x height, upright), and its '
                f'annotations are for {size[0]}x{size[1]}: make them for the image as it is shown.'
            )
        return loaded
