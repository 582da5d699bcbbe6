"""mmseg's loading of images, by the reader that all tasks share, and of maps, which are checked."""

from typing import Any

import mmcv.transforms
import mmseg.datasets.transforms
import numpy as np
from mmseg.registry import TRANSFORMS
from PIL import Image

from classification.datasets.transforms import ReadsWithOneReader
from classification.engine.errors import DataError
from classification.engine.images import check_image, upright_size


@TRANSFORMS.register_module()
class LoadImageFromFile(ReadsWithOneReader, mmcv.transforms.LoadImageFromFile):
    """What `LoadImageFromFile` means in mmseg's scope, where mmcv's alone would be found."""


@TRANSFORMS.register_module(force=True)
class LoadAnnotations(mmseg.datasets.transforms.LoadAnnotations):
    """mmseg's, of maps that fit the image.

    Raises:
        DataError: a map cannot be read, is no map of labels up to 255, or has another size than the
            image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """dict(seg_map_path, …) -> the same with gt_seg_map (H, W) uint8."""
        path = results['seg_map_path']
        if self.imdecode_backend == 'pillow' and self.backend_args is None and '://' not in path:
            _check_map(path)
        results = super().transform(results)
        (height, width), size = results['ori_shape'], results['gt_seg_map'].shape
        if size != (height, width):
            raise DataError(
                f'The map {path} is {size[1]}x{size[0]} (width x height), its image '
                f'{results["img_path"]} {width}x{height}, upright: make both of one size.'
            )
        return results


def _check_map(path: str) -> None:
    """Raise DataError where mmseg's way of reading a map would change or misread its labels."""
    check_image(path)
    with Image.open(path) as image:
        stored, mode = image.size, image.mode
        highest = int(np.asarray(image).max()) if mode[0] == 'I' else 0
    if mode not in ('1', 'L', 'P') and mode[0] != 'I':
        raise DataError(
            f'The map {path} has colours (mode {mode}) where one channel of labels is expected: '
            'save it as a greyscale or palette image of class indices.'
        )
    if highest > 255:
        raise DataError(f'The map {path} holds label {highest}: labels end at 255.')
    if upright_size(path) != stored:
        raise DataError(f'The map {path} is turned by its EXIF data: save it upright.')
