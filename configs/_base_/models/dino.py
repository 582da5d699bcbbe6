"""DINO with four scales, without a backbone: the config adds one, and its widths to the neck.

The backbone gives the maps of strides 8, 16 and 32 alone.
"""

# Not a base: mmdet has this model only in one file with its data and schedule. Not an import: with
# one, MMEngine takes the file for a config of its other kind, which cannot be mixed with these.
hub = __import__('mmengine.hub').hub
model = hub.get_config('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py').model
model.backbone = dict(out_indices=(1, 2, 3))  # instead of the ResNet
model.neck.in_channels = None
