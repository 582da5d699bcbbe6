"""Segmentors on own data: images with maps of classes."""

from typing import Any

from mmengine.config import Config

from classification.finetuning.choices import Choices
from classification.finetuning.recipe import OwnData


def use_own_data(cfg: Config, data: OwnData, choices: Choices) -> None:
    """Let a segmentor's template train on images with index maps named IMAGE.png."""
    longer, shorter = choices.image_size
    crop = (choices.crop, choices.crop)
    flip = [dict(type='RandomFlip', prob=0.5)] if choices.flip else []
    train: list[dict[str, Any]] = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(longer, shorter), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=crop, cat_max_ratio=0.75),
        *flip,
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ]
    test: list[dict[str, Any]] = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(longer, shorter), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]

    def dataset(ann_file: Any, pipeline: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
        return dict(
            type='ListedMaps',
            ann_file=str(ann_file),
            metainfo=dict(classes=list(data.classes), palette=data.palette),
            pipeline=pipeline,
            **others,
        )

    workers = dict(num_workers=choices.workers, persistent_workers=choices.workers > 0)
    cfg.train_dataloader = dict(
        batch_size=choices.batch,
        **workers,
        drop_last=True,  # a last batch of one image would stop batch norm over one pixel
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dataset(data.train, train),
    )
    cfg.val_dataloader = dict(
        batch_size=1,
        **workers,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset(data.val, test, test_mode=True),
    )
    cfg.test_dataloader = cfg.val_dataloader
    cfg.val_evaluator = cfg.test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
    cfg.model.data_preprocessor.size = crop
    cfg.default_hooks.checkpoint.save_best = 'mIoU'
