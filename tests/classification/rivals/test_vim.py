"""Vim against its official code, whose pyramid is a neck of mmsegmentation."""

import pytest
import torch
from mmengine.registry import MODELS
from mmseg.models.necks import Feature2Pyramid

from classification.rivals.vim import VIM_ARCHS
from tests import rival_cases
from tests.helpers import relative_error

PARAMETERS = {'tiny': 7.148, 'small': 25.797, 'base': 97.598}  # millions
NANO = dict(embed_dim=32, depth=3)


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('vim')


@pytest.mark.parametrize('case', ['classification', 'stride8'])
def test_equals_the_official_one(oracle, case):
    config = oracle[case]['config']
    sizes = dict(img_size=tuple(config['img_size']), stride=config.get('stride', 16))
    rival_cases.assert_equals_official('vim_tiny', dict(NANO, **sizes), oracle[case])


def test_pyramid_equals_the_official_one(oracle):
    case, state = oracle['dense']['cases'][0], oracle['dense']['state_dict']
    sizes = dict(embed_dim=32, depth=4, img_size=64, class_token=False)
    backbone = MODELS.build(dict(type='TimmBackbone', name='vim_tiny', norm=False, **sizes))
    own = {n: value for n, value in state.items() if not n.startswith(('fpn', 'norm_f'))}
    backbone.backbone.load_state_dict(own)
    neck = Feature2Pyramid(32, rescales=[4, 2, 1, 0.5])
    names = dict(fpn1='upsample_4x', fpn2='upsample_2x')
    fpn = {n: value for n, value in state.items() if n.startswith('fpn')}
    neck.load_state_dict({names[n[:4]] + n[4:]: value for n, value in fpn.items()})
    backbone, neck = backbone.eval().double(), neck.eval().double()
    x = case['input'].double().requires_grad_()
    maps = neck(backbone(x))
    torch.autograd.backward(maps, [g.double() for g in case['grad_outputs']])
    for y, expected in zip(maps, case['outputs'], strict=True):
        assert y.shape == expected.shape and relative_error(y, expected) <= 1e-5
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


@pytest.mark.parametrize('arch', VIM_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'vim_{arch}', PARAMETERS[arch], arch != 'base')


def test_dense_model_takes_a_file_with_a_class_token(oracle, tmp_path):
    """Whose positions' row in the middle is the class token's."""
    case = oracle['classification']
    torch.save(case['checkpoint'], tmp_path / 'released.pth')
    backbone = MODELS.build(
        dict(
            type='TimmBackbone',
            name='vim_tiny',
            out_indices=(0, 2),
            class_token=False,
            img_size=(48, 80),
            init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'released.pth')),
            **NANO,
        )
    )
    backbone.init_weights()
    released, own = rival_cases.weights(case)['pos_embed'], backbone.backbone.pos_embed
    assert released.shape == (1, 16, 32) and own.shape == (1, 15, 32)
    assert torch.equal(own[:, :7], released[:, :7])
    assert torch.equal(own[:, 7:], released[:, 8:])


def test_maps_leave_the_class_token_out(oracle):
    sizes = dict(NANO, img_size=(48, 80))
    model = rival_cases.classifier('vim_tiny', sizes, oracle['classification'])
    x = oracle['classification']['input']
    last, maps = model.forward_intermediates(x, norm=True)
    assert last.shape == (2, 16, 32) and [y.shape for y in maps] == 3 * [(2, 32, 3, 5)]
    torch.testing.assert_close(model.forward_head(last), model(x))
