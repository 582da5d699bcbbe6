"""Transforms of a dataset's samples: reading an image, and timm's augmentations."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from mmengine import fileio
from mmengine.registry import TRANSFORMS
from PIL import Image
from timm.data import create_transform

from ..engine.errors import DataError
from ..engine.images import read_image, read_pil, unreadable_image
from .archive import read_member


@TRANSFORMS.register_module()
class ReadImage:
    """dict(img_path), of a file or of one in an archive -> the same with `img`, PIL in RGB.

    What is read already may come as `picture`, (H, W, 3) uint8, RGB.

    Raises:
        DataError: the file is missing, damaged or no image.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        if 'picture' in results:
            results['img'] = Image.fromarray(results.pop('picture'))
        elif 'archive' in results:
            try:
                content = read_member(results['archive'], results['member'])
            except OSError as error:
                raise unreadable_image(path, error) from None
            results['img'] = read_pil(content, path)
        else:
            results['img'] = read_pil(path)
        return results


class ReadsWithOneReader:
    """Lets mmcv's LoadImageFromFile read colour images as this project does, in BGR.

    Each task's package registers a subclass of both in its framework's scope. What is read already
    may come as `picture`, (H, W, 3) uint8, RGB.

    Raises:
        DataError: the file is missing, damaged or no image.
    """

    color_type: str
    to_float32: bool
    ignore_empty: bool
    imdecode_backend: str
    backend_args: dict[str, Any] | None

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """dict(img_path) -> the same with img (H, W, 3), img_shape and ori_shape."""
        if self.color_type != 'color' or self.imdecode_backend not in ('cv2', 'pillow'):
            return super().transform(results)  # type: ignore[misc]  # mmcv's
        try:
            picture = results.pop('picture', None)
            if picture is None:
                picture = self._read(results['img_path'])
        except DataError:
            if self.ignore_empty:
                return None
            raise
        image = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _read(self, path: str) -> np.ndarray:
        if self.backend_args is None and '://' not in path:
            return read_image(path)
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except Exception as error:  # each storage has its own
            raise unreadable_image(path, error) from None
        return read_image(content, path)


def _keep_a_bit(level_fn: Callable[..., tuple], level: float, hparams: dict) -> tuple[int]:
    """Bits that timm's Posterize keeps, at least 1: 0 makes a black image, and Pillow 12 fails."""
    return (max(1, *level_fn(level, hparams)),)


@TRANSFORMS.register_module()
class TimmTransform:
    """dict(img, gt_label) -> dict(inputs (3, H, W), targets): timm's transforms and normalisation.

    Args: those of timm.data.create_transform; is_training=True selects the augmentations.
    """

    def __init__(self, **kwargs: Any):
        self.transform = create_transform(**kwargs)
        for step in self.transform.transforms:
            for operation in getattr(step, 'ops', []):  # RandAugment's
                if operation.name.startswith('Posterize'):
                    operation.level_fn = partial(_keep_a_bit, operation.level_fn)

    @property
    def normalisation(self) -> tuple[Any, Any]:
        """Mean and standard deviation of each channel, of values from 0 to 1."""
        return next(
            (step.mean, step.std) for step in self.transform.transforms if hasattr(step, 'std')
        )

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        packed = dict(inputs=self.transform(results['img']))
        if 'gt_label' in results:
            packed['targets'] = results['gt_label']
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transform})'
