"""Transforms of a dataset's samples: reading an image, and timm's augmentations."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from mmengine.registry import TRANSFORMS
from PIL import Image
from timm.data import create_transform

from ..engine.images import unreadable_image
from .archive import read_member


@TRANSFORMS.register_module()
class ReadImage:
    """dict(img_path), of a file or of one in an archive -> the same with `img`, PIL in RGB.

    Raises:
        DataError: the file is missing, damaged or no image.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        try:
            source = path
            if 'archive' in results:
                source = io.BytesIO(read_member(results['archive'], results['member']))
            with Image.open(source) as image:
                results['img'] = image.convert('RGB')
        # PIL's readers of damaged files raise each their own.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise unreadable_image(path, error) from None
        return results


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

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        packed = dict(inputs=self.transform(results['img']))
        if 'gt_label' in results:
            packed['targets'] = results['gt_label']
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transform})'
