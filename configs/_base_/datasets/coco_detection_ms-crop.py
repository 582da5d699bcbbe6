"""COCO with the augmentation of coco_instance_ms-crop.py, for detectors without masks."""

_base_ = './coco_instance_ms-crop.py'

published = _base_.train_dataloader.dataset.pipeline
boxes = dict(type='LoadAnnotations', with_bbox=True)
train_dataloader = dict(dataset=dict(pipeline=[published[0], boxes, *published[2:]]))
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
del published, boxes  # all that is left is part of the config
