"""Classifiers on own data: lists of images, timm's augmentations."""

from typing import Any

from mmengine.config import Config

from .choices import Choices
from .recipe import OwnData


def use_own_data(cfg: Config, data: OwnData, choices: Choices) -> None:
    """Let the classifier's template train on lists of images."""
    side = choices.image_size[0]
    read = dict(type='ReadImage')
    image = dict(type='TimmTransform', input_size=side, interpolation='bicubic')
    augment = dict(
        is_training=True,
        scale=(0.5, 1.0),  # ImageNet's crops of 8 % often miss what a small dataset shows
        auto_augment='rand-m9-mstd0.5-inc1',
        re_prob=0.25,
        hflip=0.5 if choices.flip else 0.0,
    )
    loader = dict(
        batch_size=choices.batch,
        num_workers=choices.workers,
        persistent_workers=choices.workers > 0,
        drop_last=False,
    )

    def dataset(ann_file: Any, *steps: dict, test_mode: bool) -> dict[str, Any]:
        return dict(
            type='ImageList',
            data_root='',
            ann_file=str(ann_file),
            metainfo=dict(classes=list(data.classes)),
            pipeline=[read, *steps],
            test_mode=test_mode,
        )

    train = dataset(data.train, dict(image, **augment), test_mode=False)
    val = dataset(data.val, dict(image, crop_pct=1.0), test_mode=True)
    cfg.train_dataloader.update(loader, dataset=train)
    cfg.val_dataloader.update(loader, dataset=val)
    cfg.test_dataloader = cfg.val_dataloader
    cfg.val_evaluator = dict(type='Accuracy', topk=(1, 5), collect_device='gpu')
    cfg.test_evaluator = cfg.val_evaluator
    cfg.default_hooks.checkpoint.save_best = (
        'accuracy/ema_top1' if choices.ema_momentum else 'accuracy/top1'
    )
