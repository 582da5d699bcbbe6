"""Detectors on own data: COCO files, augmentations, anchors."""

from typing import Any

from mmengine.config import Config

from classification.finetuning.choices import Choices
from classification.finetuning.recipe import OwnData

# Images are resized between these shares of the chosen size.
_SCALES = (0.8, 0.9, 1.0, 1.1, 1.25)


def use_own_data(cfg: Config, data: OwnData, choices: Choices) -> None:
    """Let a detector's template train on files in COCO's format, with masks where it has them."""
    masks = 'segm' in cfg.val_evaluator.metric
    metric = ['bbox', 'segm'] if masks else ['bbox']
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=masks)
    longer, shorter = choices.image_size
    flip = [dict(type='RandomFlip', prob=0.5)] if choices.flip else []
    train: list[dict[str, Any]] = [
        dict(type='LoadImageFromFile'),
        load,
        dict(
            type='RandomChoiceResize',
            scales=[(round(longer * scale), round(shorter * scale)) for scale in _SCALES],
            keep_ratio=True,
        ),
        *flip,
        dict(type='PhotoMetricDistortion', hue_delta=9),
        dict(type='PackDetInputs'),
    ]
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    test: list[dict[str, Any]] = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=choices.image_size, keep_ratio=True),
        load,
        dict(type='PackDetInputs', meta_keys=keys),
    ]

    def dataset(ann_file: Any, pipeline: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
        return dict(
            type='CocoDataset',
            ann_file=str(ann_file),
            data_prefix=dict(img=''),  # its file names are absolute
            metainfo=dict(classes=list(data.classes), palette=data.palette),
            pipeline=pipeline,
            **others,
        )

    workers = dict(num_workers=choices.workers, persistent_workers=choices.workers > 0)
    cfg.train_dataloader = dict(
        batch_size=choices.batch,
        **workers,
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_sampler=dict(type='AspectRatioBatchSampler'),
        # Images without objects teach what is none.
        dataset=dataset(data.train, train, filter_cfg=dict(filter_empty_gt=False, min_size=0)),
    )
    cfg.val_dataloader = dict(
        batch_size=1,
        **workers,
        drop_last=False,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset(data.val, test, test_mode=True),
    )
    cfg.test_dataloader = cfg.val_dataloader
    cfg.val_evaluator = dict(type='CocoMetric', ann_file=str(data.val), metric=metric)
    cfg.test_evaluator = cfg.val_evaluator
    cfg.default_hooks.checkpoint.save_best = f'coco/{metric[-1]}_mAP'
    # Mask2Former's recipe pads all images to the size of its crops.
    cfg.model.data_preprocessor.pop('batch_augments', None)
    _use_anchors(cfg.model, choices.anchor_scale)


def _use_anchors(model: Any, scale: int) -> None:
    """Let the smallest anchors have `scale` times the finest stride, 4, as their side."""
    if 'rpn_head' in model:
        model.rpn_head.anchor_generator.scales = [scale]
    generator = model.get('bbox_head', {}).get('anchor_generator')
    if generator and 'octave_base_scale' in generator:  # RetinaNet's finest stride is 8
        generator.octave_base_scale = max(1, scale // 2)
