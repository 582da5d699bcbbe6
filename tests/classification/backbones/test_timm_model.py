"""Any timm model as a backbone: what is its alone; the rest is in test_dense.py."""

import pytest
import timm
import torch
from mmengine.registry import MODELS

import classification  # noqa: F401 - registers the models
from classification.backbones import TimmModel

SIZES = dict(depths=(1, 1, 2, 1), dims=(8, 16, 24, 32))


def build(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='TimmBackbone', **{'name': 'mambaout_femto', **SIZES, **kwargs}))


def classifier():
    torch.manual_seed(1)
    return timm.create_model('mambaout_femto', **SIZES)


def images(height=64, width=96, batch=2):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def norms(model):
    return {n for n in model.state_dict() if n.startswith('norm')}


def test_norms_are_an_option_of_timm_models():
    model, source = build(norm=False).eval(), classifier().eval()
    assert not norms(model)
    model.backbone.load_state_dict(source.state_dict(), strict=False)
    maps = source.forward_intermediates(images(), intermediates_only=True)
    torch.testing.assert_close(model(images()), tuple(maps))


@pytest.mark.parametrize(
    'wrong, error, message',
    [
        (dict(name='mambaot_tiny'), ValueError, "no model 'mambaot_tiny'; near it: mambaout_tiny"),
        (dict(drop_pth_rate=0.1), TypeError, 'drop_pth_rate'),
        (dict(out_indices=(0, 4)), ValueError, r'out_indices \(0, 4\) must ascend within 0..3'),
        (dict(frozen_stages=5), ValueError, 'frozen_stages is -1 to 4, not 5'),
    ],
    ids=str,
)
def test_wrong_values_for_timm(wrong, error, message):
    with pytest.raises(error, match=message):
        build(**wrong)


def test_gives_what_a_staged_model_gives():
    model = TimmModel('mambaout_femto', **SIZES).eval()
    assert [info['module'] for info in model.feature_info] == [
        f'backbone.stages.{i}' for i in range(4)
    ]
    assert list(model.stem_modules()) == [model.backbone.stem]
    maps = model.forward_intermediates(images(), [1, 3], 'NHWC', intermediates_only=True)
    assert [tuple(y.shape) for y in maps] == [(2, 8, 12, 16), (2, 2, 3, 32)]
    assert all(name.startswith('backbone.') for name in model.state_dict())
