"""MILA in the heads of configs/detection: each trains, is evaluated and loads strictly."""

import json
import re

import pytest
import torch

from classification.engine.configs.loading import load_config
from tests.heads import BACKBONES, assert_trains, installed_config, small_config
from tests.helpers import ROOT

FIVE = dict(score_thr=0.0, max_per_img=5)
RCNN = {
    'train_cfg.rpn_proposal.max_per_img': 20,
    'test_cfg.rpn.max_per_img': 10,
    'test_cfg.rcnn': FIVE,
}
FC = {'train_cfg.rcnn.sampler.num': 16, 'roi_head.bbox_head.fc_out_channels': 32}
MASK = {'roi_head.mask_head.num_convs': 1}
# Config -> what makes its model small.
BOXES = {
    'faster-rcnn_mila-t_fpn_1x_coco': {**RCNN, **FC},
    'retinanet_mila-t_fpn_1x_coco': {'test_cfg': FIVE},
    'dino-4scale_mila-t_12e_coco': {
        'encoder.num_layers': 1,
        'decoder.num_layers': 2,
        'num_queries': 20,
        'test_cfg.max_per_img': 5,
    },
}
MASKS = {
    'mask-rcnn_mila-t_fpn_1x_coco': {**RCNN, **FC, **MASK},
    'cascade-mask-rcnn_mila-t_fpn_ms-crop-3x_coco': {
        **RCNN,
        **MASK,
        **{f'train_cfg.rcnn.{stage}.sampler.num': 16 for stage in range(3)},
        **{f'roi_head.bbox_head.{stage}.fc_out_channels': 32 for stage in range(3)},
    },
    'mask2former_mila-t_lsj-50e_coco': {
        'data_preprocessor.batch_augments.0.size': (96, 96),
        'panoptic_head.pixel_decoder.encoder.num_layers': 1,
        'panoptic_head.transformer_decoder.num_layers': 3,
        'panoptic_head.num_queries': 10,
        'train_cfg.num_points': 256,
        'test_cfg.max_per_image': 5,
    },
}


@pytest.fixture(params=[*BOXES, *MASKS])
def config(request, here):
    """Path of the small config."""
    name = request.param
    cfg = small_config('detection', name, {**BOXES, **MASKS}[name])
    if name in BOXES:
        cfg.train_dataloader.dataset.pipeline[1].with_mask = False
        cfg.val_evaluator.metric = cfg.test_evaluator.metric = 'bbox'
    cfg.dump(here / 'small.py')
    return here / 'small.py'


@pytest.mark.parametrize(
    'precision', [(), pytest.param(('--amp',), marks=pytest.mark.slow)], ids=['fp32', 'bf16']
)
def test_trains_and_is_evaluated(config, precision, here, run, fails):
    run('train', config, '--work-dir', here / 'w', *precision)
    checkpoint = here / 'w' / 'epoch_1.pth'
    run('test', config, checkpoint, '--out', here / 'metrics.json')
    metrics = json.loads((here / 'metrics.json').read_text())
    assert 0 <= metrics['coco/bbox_mAP'] <= 1
    assert ('coco/segm_mAP' in metrics) == ("'segm'" in config.read_text())

    content = torch.load(checkpoint, weights_only=True)
    for weights in (content['state_dict'], content['ema_state_dict']):
        last = [name for name in weights if name.endswith('.weight')][-1]
        weights.pop(last)
    torch.save(content, checkpoint)
    assert last.removeprefix('module.') in fails('test', config, checkpoint)


@pytest.mark.parametrize(
    'backbone',
    [pytest.param(b, marks=() if b == 'VMamba' else pytest.mark.slow) for b in BACKBONES],
)
@pytest.mark.parametrize('name', [*BOXES, *MASKS])
def test_any_backbone(name, backbone):
    assert_trains(small_config('detection', name, {**BOXES, **MASKS}[name], backbone))


# Heads without a config here. Slow are those that take more than some seconds.
INSTALLED = [
    'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
    'mmdet::atss/atss_r50_fpn_1x_coco',
    'mmdet::gfl/gfl_r50_fpn_1x_coco',
    'mmdet::vfnet/vfnet_r50_fpn_1x_coco',
    'mmdet::paa/paa_r50_fpn_1x_coco',
    'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco',
    'mmdet::conditional_detr/conditional-detr_r50_8xb2-50e_coco',
    'mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance',
]
INSTALLED_SLOW = [
    'mmdet::sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco',
    'mmdet::queryinst/queryinst_r50_fpn_1x_coco',
    'mmdet::ddq/ddq-detr-4scale_r50_8xb2-12e_coco',
    'mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco',
    'mmdet::libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco',
    'mmdet::ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco',
    'mmdet::point_rend/point-rend_r50-caffe_fpn_ms-1x_coco',
    'mmdet::solov2/solov2_r50_fpn_1x_coco',
]


@pytest.mark.parametrize(
    'name', [*INSTALLED, *(pytest.param(n, marks=pytest.mark.slow) for n in INSTALLED_SLOW)]
)
def test_heads_of_mmdet(name):
    assert_trains(installed_config(name))


def test_the_guides_example(tmp_path):
    """The config of docs/heads.md for a head that has none here."""
    text = (ROOT / 'docs/heads.md').read_text()
    (tmp_path / 'own.py').write_text(re.search(r'```python\n(_base_.*?)```', text, re.DOTALL)[1])
    cfg = load_config(tmp_path / 'own.py')
    cfg.model.backbone.pop('init_cfg')
    assert_trains(cfg)
