"""Numbers of classes in a model's config: found and set in every head, and in none but heads."""

import pytest
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope

from classification.engine.configs.heads import class_counts, set_num_classes
from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from tests.helpers import ROOT

# Config -> the heads that count classes, below `model`, and how many.
CONFIGS = {
    'classification/mila-t_8xb128_in1k': {'model': 1000},
    'detection/mask-rcnn_mila-t_fpn_1x_coco': {'roi_head.bbox_head': 80, 'roi_head.mask_head': 80},
    'segmentation/upernet_mila-t_8xb2-160k_ade20k-512x512': {
        'decode_head': 150,
        'auxiliary_head': 150,
    },
    'mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco': {
        **{f'roi_head.bbox_head.{stage}': 80 for stage in range(3)},
        'roi_head.mask_head': 80,
    },
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco': {'bbox_head': 80},
    'mmdet::dino/dino-4scale_r50_8xb2-12e_coco': {'bbox_head': 80},
    'mmdet::detr/detr_r50_8xb2-150e_coco': {'bbox_head': 80},
    'mmdet::solov2/solov2_r50_fpn_1x_coco': {'mask_head': 80},
    'mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco': {
        'detector.roi_head.bbox_head': 80
    },
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512': {'decode_head': 150},
    'mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512': {'decode_head': 150},
    'mmseg::ocrnet/ocrnet_hr18_4xb4-160k_ade20k-512x512': {
        'decode_head.0': 150,
        'decode_head.1': 150,
    },
    'mmseg::icnet/icnet_r50-d8_4xb2-80k_cityscapes-832x832': {
        'decode_head': 19,
        'auxiliary_head.0': 19,
        'auxiliary_head.1': 19,
    },
}
MASK2FORMER = 'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco'


def load(name):
    return get_config(f'{name}.py') if '::' in name else load_config(ROOT / f'configs/{name}.py')


@pytest.mark.parametrize('name, heads', CONFIGS.items(), ids=CONFIGS)
def test_every_head_is_found_and_set(name, heads):
    """Those that the built model has, too: each of its parts that counts classes has the number."""
    cfg = load(name)
    found = {f'model.{path}.num_classes': count for path, count in heads.items()}
    assert dict(class_counts(cfg.model)) == found
    set_num_classes(cfg.model, 3)
    assert dict(class_counts(cfg.model)) == dict.fromkeys(found, 3)
    cfg.model.pop('init_cfg', None)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    counts = {
        name: part.num_classes
        for name, part in model.named_modules()
        if getattr(part, 'num_classes', 0) and 'rpn' not in name  # 0: the backbone has no head
    }
    assert counts and set(counts.values()) == {3}, counts


def test_instance_heads_have_things_and_no_stuff():
    model = load(MASK2FORMER).model
    paths = [f'model.panoptic_{head}.num_things_classes' for head in ('head', 'fusion_head')]
    assert class_counts(model) == [(path, 80) for path in paths]
    set_num_classes(model, 3)
    assert class_counts(model) == [(path, 3) for path in paths]
    assert model.panoptic_head.num_stuff_classes == 0
    assert model.panoptic_head.loss_cls.class_weight == [1.0] * 3 + [0.1]


def test_panoptic_models_are_counted_and_not_set():
    model = load(f'{MASK2FORMER}-panoptic').model
    assert class_counts(model)[0] == ('model.panoptic_head.num_things_classes', 133)
    before = model.copy()
    with pytest.raises(UsageError, match='panoptic_head is panoptic: .* num_stuff_classes'):
        set_num_classes(model, 3)
    assert model == before


@pytest.mark.parametrize('losses', [dict, lambda **loss: [loss, dict(type='DiceLoss')]])
def test_weights_of_classes(losses):
    """Equal ones are given to all the new classes; others are the user's to give."""
    loss = dict(type='CrossEntropyLoss', class_weight=[2.0, 2.0])
    model = dict(decode_head=dict(num_classes=2, loss_decode=losses(**loss)))
    set_num_classes(model, 3)
    kept = model['decode_head']['loss_decode']
    kept = kept[0] if isinstance(kept, list) else kept
    assert kept == dict(loss, class_weight=[2.0, 2.0, 2.0])
    kept['class_weight'] = [1.0, 2.0, 3.0]
    set_num_classes(model, 3)
    assert kept['class_weight'] == [1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match='decode_head weights its 3 classes differently'):
        set_num_classes(model, 4)


def test_parts_with_classes_of_their_own_are_left_alone():
    model = dict(
        backbone=dict(type='TimmBackbone', num_classes=0),
        rpn_head=dict(type='FCOSHead', num_classes=1),
        roi_head=dict(bbox_head=dict(num_classes=80), semantic_head=dict(num_classes=183)),
    )
    set_num_classes(model, 5)
    assert class_counts(model) == [('model.roi_head.bbox_head.num_classes', 5)]
    assert model['rpn_head']['num_classes'] == 1 and model['backbone']['num_classes'] == 0
    assert model['roi_head']['semantic_head']['num_classes'] == 183


def test_a_model_without_a_head():
    with pytest.raises(UsageError, match='no head of the model a number of classes'):
        set_num_classes(dict(type='RPN', rpn_head=dict(num_classes=1)), 2)
