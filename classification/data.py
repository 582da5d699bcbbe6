"""Images in folders, one a class, through timm's transforms: `dict(type='ImageFolder', ...)`."""

from functools import partial
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from timm.data import create_transform
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset


class DataError(RuntimeError):
    """Data that cannot be used, in one sentence with the file and the cure."""


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """The images of `data_root/CLASS/**/*.jpeg` (and .png, …), classes in alphabetical order.

    Args:
        data_root: folder of one split, such as data/imagenet/train.
        pipeline: transforms of dict(img_path, gt_label).
        metainfo: dict(classes=…), a list or a file with a name a line, fixes the classes and their
            order; a class may then have no folder, which without it would shift the others.
        **: see mmengine.dataset.BaseDataset.

    Raises:
        DataError: no such folder, no classes in it, a class that is empty or not in `classes`.
    """

    def load_data_list(self):
        """One dict(img_path, gt_label) an image, in the order of classes and file names."""
        root = Path(self.data_root or '')
        if not root.is_dir():
            raise DataError(f'Image folder {root} does not exist: put the dataset there or set '
                            'data_root to where it is.')  # fmt: skip
        folders = sorted(f.name for f in root.iterdir() if f.is_dir() and f.name[0] != '.')
        if not folders:
            raise DataError(f'{root} has no folders: expected one for each class of images.')
        classes = self._metainfo.setdefault('classes', folders)
        if unknown := sorted(set(folders) - set(classes)):
            raise DataError(f'{root / unknown[0]} is none of the {len(classes)} classes that '
                            'metainfo names: rename or remove the folder.')  # fmt: skip

        labels = {name: classes.index(name) for name in folders}
        samples = make_dataset(str(root), labels, extensions=IMG_EXTENSIONS, allow_empty=True)
        found = {label for _, label in samples}
        for name in folders:
            if labels[name] not in found:
                raise DataError(f'{root / name} holds no image ({" ".join(IMG_EXTENSIONS)}): '
                                'add some or remove the folder.')  # fmt: skip
        return [dict(img_path=path, gt_label=label) for path, label in samples]


@TRANSFORMS.register_module()
class ReadImage:
    """dict(img_path) -> the same with `img`, a PIL image in RGB.

    Raises:
        DataError: the file is missing, damaged or no image.
    """

    def __call__(self, results):
        path = results['img_path']
        try:
            with Image.open(path) as image:
                results['img'] = image.convert('RGB')
        # PIL's readers of damaged files raise each their own.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(
                f'{path} cannot be read as an image ({type(error).__name__}): '
                'replace or remove the file.'
            ) from None
        return results


def _keep_a_bit(level_fn, level, hparams):
    """timm posterizes to 0 bits at the highest level, a black image, which Pillow 12 refuses."""
    return (max(1, *level_fn(level, hparams)),)


@TRANSFORMS.register_module()
class TimmTransform:
    """dict(img, gt_label) -> dict(inputs (3, H, W), targets): timm's transforms and normalisation.

    Args: those of timm.data.create_transform; is_training=True selects the augmentations.
    """

    def __init__(self, **kwargs):
        self.transform = create_transform(**kwargs)
        for step in self.transform.transforms:
            for operation in getattr(step, 'ops', []):  # RandAugment's
                if operation.name.startswith('Posterize'):
                    operation.level_fn = partial(_keep_a_bit, operation.level_fn)

    def __call__(self, results):
        packed = dict(inputs=self.transform(results['img']))
        if 'gt_label' in results:
            packed['targets'] = results['gt_label']
        return packed

    def __repr__(self):
        return f'{type(self).__name__}({self.transform})'
