"""COCO with Mask2Former's augmentation: scales of 0.1 to 2 and crops of 1024x1024."""

_base_ = 'mmdet::_base_/datasets/coco_instance.py'

# Read, not a base and not imported: models/dino.py says why.
hub = __import__('mmengine.hub').hub
published = hub.get_config('mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py')
train_dataloader = dict(dataset=dict(pipeline=published.train_pipeline))
del published  # all that is left is part of the config
