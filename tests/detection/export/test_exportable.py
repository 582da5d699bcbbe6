"""export/exportable.py: how detectors are described, and which are refused with what reason."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

import detection  # noqa: F401
from classification.engine.errors import UsageError
from detection.export.exportable import exportable, refusal
from detection.export.network import TwoStageDetector
from tests.detectors import detector
from tests.helpers import committed_configs

STEPS = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 48), keep_ratio=True),
    dict(type='PackDetInputs'),
]
ROI_POOL = dict(_delete_=True, type='RoIPool', output_size=7)


@pytest.mark.parametrize('masks', [True, False])
def test_a_description(masks):
    model = detector(masks)
    found = exportable(model, STEPS)
    assert found.task == 'detection' and isinstance(found.network, TwoStageDetector)
    assert found.multiple == found.pixels.divisor == 32 and found.pixels.resize == (64, 48)
    assert found.takes_sizes and found.fixed_size is None and found.finish is None
    names = ['boxes', 'labels', 'scores', *(['masks'] if masks else []), 'counts']
    assert [port.name for port in found.outputs] == names
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        outputs = found.network(x, torch.tensor([64, 96]), torch.tensor([64, 96]))
    for port, values in zip(found.network_outputs, outputs, strict=True):
        assert str(values.dtype) == f'torch.{port.dtype}', port.name
        shape = [named if isinstance(named, int) else None for named in port.shape]
        known = [
            side if named is not None else None
            for side, named in zip(values.shape, shape, strict=True)
        ]
        assert known == shape, port.name


def test_the_threshold_and_the_most_objects():
    model = detector(test_cfg__rcnn__max_per_img=7, test_cfg__rcnn__score_thr=0.25)
    threshold = exportable(model, STEPS).threshold
    assert threshold.most == 7
    assert threshold.of_model(model, 0.5) == 0.25
    assert threshold.of_model(model, 0.25) == 0.5
    assert model.roi_head.test_cfg.score_thr == 0.25


@pytest.mark.parametrize(
    'options, reason',
    [
        (dict(test_cfg__rcnn__nms__type='soft_nms'), 'its NMS is'),
        (dict(test_cfg__rpn__nms__class_agnostic=True), 'its NMS is'),
        (dict(test_cfg__rcnn__nms__max_num=3), 'its NMS is'),
        (dict(test_cfg__rcnn__mask_thr_binary=0.4), 'its masks begin at a probability of 0.4'),
        (dict(rpn_head__bbox_coder__type='TBLRBBoxCoder'), 'DeltaXYWHBBoxCoder'),
        (dict(roi_head__bbox_head__bbox_coder__add_ctr_clamp=True), 'DeltaXYWHBBoxCoder'),
        (
            dict(roi_head__bbox_roi_extractor__roi_layer=ROI_POOL),
            'not averages of RoIAlign',
        ),
        (
            dict(roi_head__mask_roi_extractor__roi_layer__pool_mode='max'),
            'not averages of RoIAlign',
        ),
        (
            dict(roi_head__bbox_roi_extractor__type='GenericRoIExtractor'),
            'of a GenericRoIExtractor',
        ),
        (dict(roi_head__mask_head__type='CoarseMaskHead'), 'its mask head is a CoarseMaskHead'),
        (dict(roi_head__type='PISARoIHead'), 'it has a PISARoIHead, not StandardRoIHead'),
        (
            dict(roi_head__bbox_head__loss_cls=dict(type='SeesawLoss', num_classes=10)),
            'its box head scores in its own way',
        ),
    ],
    ids=str,
)
def test_refusals(options, reason):
    model = detector(**options)
    assert reason in refusal(model)
    with pytest.raises(UsageError) as caught:
        exportable(model, STEPS)
    sentence = str(caught.value)
    assert reason in sentence and sentence.endswith('.') and '. ' not in sentence


def test_another_kind_of_model():
    assert refusal(torch.nn.Linear(1, 1)) == 'it has a Linear, not FasterRCNN or MaskRCNN'


@pytest.mark.parametrize('path', committed_configs('detection'))
def test_committed_configs(path):
    """Faster and Mask R-CNN can be exported, the others say why not."""
    cfg = Config.fromfile(path)
    model = cfg.model
    model.backbone = dict(type='TimmBackbone', name='resnet10t', out_indices=(1, 2, 3, 4))
    with DefaultScope.overwrite_default_scope('mmdet'):
        reason = refusal(MODELS.build(model).eval())
    expected = {
        'CascadeRCNN': 'it has a CascadeRCNN, not FasterRCNN or MaskRCNN',
        'RetinaNet': 'it has a RetinaNet, not FasterRCNN or MaskRCNN',
        'DINO': 'it has a DINO, not FasterRCNN or MaskRCNN',
        'Mask2Former': 'it has a Mask2Former, not FasterRCNN or MaskRCNN',
    }
    assert reason == expected.get(model.type)
