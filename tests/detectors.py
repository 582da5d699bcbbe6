"""A small detector with random weights that finds something."""

import functools

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from classification.engine.configs.loading import load_config
from tests.helpers import FIXTURES


def detector(masks=True, seed=0, **options):
    """The fixtures' Mask R-CNN in evaluation mode, or its Faster R-CNN.

    Args:
        masks: with a mask head.
        seed: of the weights.
        **options: dotted key of the model, with __ for dots -> value.
    """
    cfg = Config(_fixture().model.to_dict())
    if not masks:
        cfg.type = 'FasterRCNN'
        cfg.roi_head.mask_head = cfg.roi_head.mask_roi_extractor = None
    cfg.merge_from_dict({name.replace('__', '.'): value for name, value in options.items()})
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg)
    find_something(model)
    return model.eval()


@functools.cache
def _fixture():
    return load_config(FIXTURES / 'detection.py')


def find_something(model):
    """Spread the scores of random weights, without any that are rounded to 1 and tie."""
    with torch.no_grad():
        model.roi_head.bbox_head.fc_cls.weight *= 6
        for name, weight in model.rpn_head.named_parameters():
            if name.endswith('weight'):
                weight *= 0.2
