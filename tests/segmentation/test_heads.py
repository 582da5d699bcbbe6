"""MILA in the heads of configs/segmentation: each trains, is evaluated and loads strictly."""

import json

import pytest
import torch

from tests.heads import BACKBONES, assert_trains, installed_config, small_config

# Config -> what makes its model small.
HEADS = {
    'upernet_mila-t_8xb2-160k_ade20k-512x512': {
        'decode_head.channels': 16,
        'auxiliary_head.channels': 16,
        'auxiliary_head.in_channels': 32,
    },
    'segformer_mila-t_8xb2-160k_ade20k-512x512': {'decode_head.channels': 16},
}


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(
    'precision', [(), pytest.param(('--amp',), marks=pytest.mark.slow)], ids=['fp32', 'bf16']
)
def test_trains_and_is_evaluated(name, precision, here, run, fails):
    size = {'data_preprocessor.size': (64, 64)}
    cfg = small_config('segmentation', name, {**size, **HEADS[name]})
    cfg.train_dataloader.sampler.type = 'DefaultSampler'
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    cfg.log_processor.by_epoch = True
    cfg.dump(here / 'small.py')
    run('train', here / 'small.py', '--work-dir', here / 'w', *precision)
    checkpoint = here / 'w' / 'epoch_1.pth'
    run('test', here / 'small.py', checkpoint, '--out', here / 'metrics.json')
    metrics = json.loads((here / 'metrics.json').read_text())
    assert 0 <= metrics['mIoU'] <= 100

    content = torch.load(checkpoint, weights_only=True)
    content['state_dict'].pop('decode_head.conv_seg.weight')
    torch.save(content, checkpoint)
    assert 'decode_head.conv_seg.weight' in fails('test', here / 'small.py', checkpoint)


@pytest.mark.parametrize(
    'backbone',
    [pytest.param(b, marks=() if b == 'VMamba' else pytest.mark.slow) for b in BACKBONES],
)
@pytest.mark.parametrize('name', HEADS)
def test_any_backbone(name, backbone):
    assert_trains(small_config('segmentation', name, HEADS[name], backbone))


@pytest.mark.parametrize(
    'name',
    [
        'mmseg::sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512',
        'mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512',
    ],
)
def test_heads_of_mmsegmentation(name):
    assert_trains(installed_config(name))
