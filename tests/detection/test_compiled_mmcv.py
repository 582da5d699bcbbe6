"""A Mask R-CNN that was trained with the compiled mmcv 2.1.0 is the same model with this project's
operators: tests/data/compiled_mask_rcnn.pth has its weights, three scenes of digits, what the
compiled operators detected in them, and the losses and gradients of a training step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData

import detection  # noqa: F401

ROOT = Path(__file__).parents[2]
CHANGES = {
    'backbone.arch': dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8)),
    'neck.in_channels': [8, 16, 32, 64],
    'neck.out_channels': 16,
    'rpn_head.in_channels': 16,
    'rpn_head.feat_channels': 16,
    'roi_head.bbox_roi_extractor.out_channels': 16,
    'roi_head.bbox_head.in_channels': 16,
    'roi_head.bbox_head.fc_out_channels': 48,
    'roi_head.mask_roi_extractor.out_channels': 16,
    'roi_head.mask_head.num_convs': 1,
    'roi_head.mask_head.in_channels': 16,
    'roi_head.mask_head.conv_out_channels': 16,
}


@pytest.fixture(scope='module')
def reference():
    return torch.load(ROOT / 'tests/data/compiled_mask_rcnn.pth', weights_only=True)


@pytest.fixture
def model(reference):
    cfg = Config.fromfile(ROOT / 'configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py')
    cfg.merge_from_dict({f'model.{name}': value for name, value in CHANGES.items()})
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.load_state_dict(reference['state_dict'])
    return model


def unpacked(masks):
    """(N, H, W / 8) of bits -> (N, H, W)."""
    return np.unpackbits(masks.numpy(), axis=-1)


def batch(reference):
    samples = []
    for truth in reference['truth']:
        size = tuple(reference['images'].shape[2:])
        sample = DetDataSample(
            metainfo=dict(ori_shape=size, img_shape=size, scale_factor=(1.0, 1.0))
        )
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(truth['boxes']),
            labels=truth['labels'],
            masks=BitmapMasks(unpacked(truth['masks']), *size),
        )
        sample.ignored_instances = InstanceData(
            bboxes=HorizontalBoxes(torch.zeros(0, 4)), labels=torch.zeros(0, dtype=torch.long)
        )
        samples.append(sample)
    return dict(inputs=list(reference['images']), data_samples=samples)


def test_detections(model, reference):
    """Equal to the last bit where PyTorch was built alike; the convolutions may round otherwise."""
    model.eval()
    with torch.no_grad():
        results = model.test_step(batch(reference))
    assert sum(len(expected['boxes']) for expected in reference['found']) > 40
    for result, expected in zip(results, reference['found'], strict=True):
        found = result.pred_instances
        assert torch.equal(found.labels, expected['labels'])
        torch.testing.assert_close(found.bboxes, expected['boxes'], rtol=0, atol=1e-4)
        torch.testing.assert_close(found.scores, expected['scores'], rtol=0, atol=1e-6)
        # A pixel whose probability is .5 to seven digits may fall on either side.
        differing = (found.masks.numpy() != unpacked(expected['masks'])).sum()
        assert differing <= 2


def test_training_step(model, reference):
    model.train()
    torch.manual_seed(0)  # the samplers of RPN and RoI head draw
    data = model.data_preprocessor(batch(reference), training=True)
    loss, logged = model.parse_losses(model(**data, mode='loss'))
    assert {name: value.item() for name, value in logged.items()} == pytest.approx(
        reference['losses'], rel=1e-5
    )
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert gradients.keys() == reference['grads'].keys()
    for name, expected in reference['grads'].items():
        # The gradient of a bias before a batch norm is 0, all but what rounding leaves: 1e-6.
        # A ReLU whose input is 0 up to rounding passes a gradient on or not, which can change a few
        # weights by more; so tensors are compared as a whole.
        error, size = (gradients[name] - expected).norm(), expected.norm()
        assert error <= 1e-4 * size + 2e-6 * expected.numel() ** 0.5, f'{name}: {error / size:.1e}'
