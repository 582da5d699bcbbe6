"""Counts: the published parameters and FLOPs, from the committed configs."""

from pathlib import Path

import pytest

from classification.benchmark.complexity import complexity
from classification.engine.config import load_config

# Parameters (M) and FLOPs (G) as published, at the size that the tool takes by itself.
PUBLISHED = {
    'classification/mila-t_8xb128_in1k': (24.392, 4.149),
    'classification/mila-s_8xb64_in1k': (43.015, 7.278),
    'classification/mila-b_8xb64_in1k': (95.984, 16.157),
    'classification/mambaout-femto_8xb128_in1k': (7.3, 1.2),
    'classification/mambaout-kobe_8xb128_in1k': (9.1, 1.5),
    'classification/mambaout-t_8xb128_in1k': (26.5, 4.5),
    'classification/mambaout-s_8xb128_in1k': (48.5, 9.0),
    'classification/mambaout-b_8xb128_in1k': (84.8, 15.8),
    'detection/mask-rcnn_mila-t_fpn_1x_coco': (44, 255),
    'detection/mask-rcnn_mila-s_fpn_1x_coco': (63, 319),
    'detection/mask-rcnn_mila-b_fpn_1x_coco': (115, 502),
    'detection/mask-rcnn_mambaout-t_fpn_1x_coco': (43, 262),
    'detection/mask-rcnn_mambaout-s_fpn_1x_coco': (65, 354),
    'detection/mask-rcnn_mambaout-b_fpn_1x_coco': (100, 495),
    'detection/mask-rcnn_vmamba-t_fpn_1x_coco': (50, 271),
    'detection/mask-rcnn_vmamba-s_fpn_1x_coco': (70, 349),  # not 384, see docs/comparison.md
    'detection/mask-rcnn_vmamba-b_fpn_1x_coco': (108, 485),
    'detection/mask-rcnn_swin-t_fpn_1x_coco': (48, 267),
    'detection/mask-rcnn_swin-s_fpn_1x_coco': (69, 354),
    'detection/mask-rcnn_swin-b_fpn_1x_coco': (107, 496),
    'detection/mask-rcnn_convnext-t_fpn_1x_coco': (48, 262),
    'detection/mask-rcnn_convnext-s_fpn_1x_coco': (70, 348),
    'detection/mask-rcnn_convnext-b_fpn_1x_coco': (108, 486),
    'segmentation/upernet_mila-b_8xb2-160k_ade20k-512x512': (128, 1183),
    'segmentation/upernet_mambaout-t_8xb2-160k_ade20k-512x512': (54, 938),
    'segmentation/upernet_mambaout-s_8xb2-160k_ade20k-512x512': (76, 1032),
    'segmentation/upernet_mambaout-b_8xb2-160k_ade20k-512x512': (112, 1178),
    'segmentation/upernet_vmamba-t_8xb2-160k_ade20k-512x512': (62, 949),
    'segmentation/upernet_vmamba-s_8xb2-160k_ade20k-512x512': (82, 1028),
    'segmentation/upernet_vmamba-b_8xb2-160k_ade20k-512x512': (122, 1170),
    'segmentation/upernet_swin-t_8xb2-160k_ade20k-512x512': (60, 945),
    'segmentation/upernet_swin-s_8xb2-160k_ade20k-512x512': (81, 1039),
    'segmentation/upernet_swin-b_8xb2-160k_ade20k-512x512': (121, 1188),
    'segmentation/upernet_convnext-t_8xb2-160k_ade20k-512x512': (60, 939),
    'segmentation/upernet_convnext-s_8xb2-160k_ade20k-512x512': (82, 1027),
    'segmentation/upernet_convnext-b_8xb2-160k_ade20k-512x512': (122, 1170),
}
# Seconds each: of the rivals' families the smallest and the largest are enough every day.
BETWEEN = ('mambaout-s', 'swin-s', 'convnext-s', 'upernet_vmamba-s')
DIGITS = sorted((Path(__file__).parents[3] / 'configs/quickstart').glob('*.py'))


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


@pytest.mark.parametrize(
    'config',
    [
        pytest.param(name, marks=pytest.mark.slow if any(b in name for b in BETWEEN) else ())
        for name in PUBLISHED
    ],
)
def test_published(config):
    params, flops = PUBLISHED[config]
    result = complexity(load_config(f'configs/{config}.py'))
    assert result['params'] / 1e6 == pytest.approx(params, rel=0.01)
    assert result['flops'] / 1e9 == pytest.approx(flops, rel=0.02, abs=0.06)


@pytest.mark.parametrize('config', DIGITS, ids=lambda path: path.stem)
def test_parts_sum_to_the_total(config):
    result = complexity(load_config(config), (64, 96))
    assert result['shape'] == [64, 96]
    for count in ('params', 'flops'):
        assert sum(part[count] for part in result['parts'].values()) == result[count]


def test_counts_what_runs():
    """A hand count: proposals and masks of the RoI head, and twice the pixels for the backbone."""
    config = 'configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py'
    cfg = load_config(config, {'model.test_cfg.rpn.max_per_img': 7})
    small = complexity(cfg, (64, 64))['parts']
    large = complexity(cfg, (64, 128))['parts']
    box = 7 * (64 * 49 * 256 + 256 * 256 + 256 * (11 + 4 * 10))
    mask = 7 * (2 * 14**2 * 9 * 64 * 64 + 14**2 * 4 * 64 * 64 + 28**2 * 64 * 10)
    assert small['roi_head']['flops'] == large['roi_head']['flops'] == box + mask
    assert large['backbone']['flops'] == pytest.approx(2 * small['backbone']['flops'], rel=0.01)
