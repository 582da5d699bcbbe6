"""Parameter groups: learning rate and weight decay of every parameter, beside timm's own."""

import pytest
import timm
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from timm.optim import param_groups_layer_decay
from torch import nn

from classification.optim import parameter_depths

LR, DECAY = 0.1, 0.05
MILA = dict(
    name='mila_tiny', num_classes=5, embed_dim=8, depths=(1, 2, 1, 1), num_heads=(1, 2, 2, 4)
)
VMAMBA = dict(name='vmamba_tiny', num_classes=5, embed_dim=8, depths=(1, 2, 1, 1), ssm_ratio=1.0)
SWIN = dict(
    name='swin_tiny_patch4_window7_224',
    num_classes=5,
    embed_dim=8,
    depths=(1, 2, 1, 1),
    num_heads=(1, 1, 1, 1),
)
MAMBAOUT = dict(name='mambaout_femto', num_classes=5, depths=(1, 2, 1, 1), dims=(8, 8, 8, 16))


def classifier(model):
    return MODELS.build(dict(type='ImageClassifier', model=model))


def built(model, **paramwise):
    """name -> (learning rate, weight decay), and the optimiser's groups."""
    cfg = ConfigDict(
        type='OptimWrapper',
        constructor='TimmParamGroups',
        optimizer=dict(type='AdamW', lr=LR, weight_decay=DECAY),
        paramwise_cfg=paramwise,
    )
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    settings = {id(p): (g['lr'], g['weight_decay']) for g in groups for p in g['params']}
    return {n: settings[id(p)] for n, p in model.named_parameters() if p.requires_grad}, groups


@pytest.mark.parametrize('model', [MILA, VMAMBA, SWIN, MAMBAOUT], ids=lambda m: m['name'])
@pytest.mark.parametrize('layer_decay', [1.0, 0.7])
def test_groups_are_those_of_timm(model, layer_decay):
    whole = classifier(model)
    timm_model = whole.backbone
    exempt = timm_model.no_weight_decay() if hasattr(timm_model, 'no_weight_decay') else ()
    expected = {
        id(p): (LR * group['lr_scale'], group['weight_decay'])
        for group in param_groups_layer_decay(timm_model, DECAY, exempt, layer_decay=layer_decay)
        for p in group['params']
    }
    settings, groups = built(whole, flat_decay_mult=0.0, layer_decay=layer_decay)
    assert len(settings) == len(expected)
    for name, parameter in whole.named_parameters():
        assert settings[name] == pytest.approx(expected[id(parameter)]), name
    assert len(groups) == len(set(expected.values()))
    assert model is not SWIN or any(
        decay == 0 for name, (_, decay) in settings.items() if name.endswith('bias_table')
    )


def test_layers_of_a_classifier_by_hand():
    settings, _ = built(classifier(MILA), layer_decay=0.5)
    steps = [
        'patch_embed.conv1.conv.weight',
        'layers.0.blocks.0.norm1.weight',
        'layers.0.downsample.conv.0.conv.weight',
        'layers.1.blocks.0.cpe1.bias',
        'layers.1.blocks.1.mlp.fc1.weight',
        'layers.1.downsample.conv.1.conv.weight',
        'layers.2.blocks.0.in_proj.weight',
        'layers.2.downsample.conv.2.norm.weight',
        'layers.3.blocks.0.attn.qk.weight',
        'head.weight',
    ]
    rates = [settings[f'backbone.{name}'][0] for name in steps]
    assert rates == pytest.approx([LR * 0.5 ** (9 - i) for i in range(10)])
    # The last norm goes with the last block.
    assert settings['backbone.norm.weight'][0] == pytest.approx(LR * 0.5)


@pytest.mark.parametrize('model', [MILA, VMAMBA], ids=lambda m: m['name'])
def test_the_layers_of_a_backbone_are_those_of_its_classifier(model):
    """What is no part of the backbone has the full rate, and no head means no other layers."""
    arch = {key: value for key, value in model.items() if key not in ('name', 'num_classes')}
    kind = 'MILA' if model is MILA else 'VMamba'
    dense = nn.ModuleDict(
        {'backbone': MODELS.build(dict(type=kind, arch=arch)), 'neck': nn.Linear(2, 2)}
    )
    dense_settings, _ = built(dense, layer_decay=0.5)
    settings, _ = built(classifier(model), layer_decay=0.5)
    assert dense_settings['neck.weight'] == (LR, DECAY)
    shared = settings.keys() & dense_settings.keys()
    assert len(shared) > 50
    assert all(dense_settings[name] == settings[name] for name in shared)


def test_other_options_stay():
    whole = classifier(MILA)
    for parameter in whole.backbone.layers[0].parameters():
        parameter.requires_grad_(False)
    settings, _ = built(
        whole, layer_decay=0.5, norm_decay_mult=0.0, custom_keys={'head': dict(lr_mult=3.0)}
    )
    assert settings['backbone.head.weight'] == pytest.approx((3 * LR, DECAY))
    assert settings['backbone.norm.weight'][1] == 0 and settings['backbone.head.bias'][1] == DECAY
    assert not any(name.startswith('backbone.layers.0') for name in settings)


@pytest.mark.parametrize('layer_decay', [0, 1.1, -1])
def test_a_factor_out_of_range(layer_decay):
    with pytest.raises(ValueError, match=f'at most 1, not {layer_decay}'):
        built(classifier(MILA), layer_decay=layer_decay)


def test_a_model_without_layers():
    plain = nn.Linear(2, 2)
    assert parameter_depths(plain) == {}
    assert built(plain)[0]['weight'] == (LR, DECAY)
    with pytest.raises(ValueError, match=r'Linear has no group_matcher\(\)'):
        built(plain, layer_decay=0.5)


def test_timm_agrees_on_the_names_of_released_models():
    """The pattern of VMamba's norm must find it: in its file it is classifier.norm."""
    depths = parameter_depths(timm.create_model('vmamba_tiny'))
    assert depths['classifier.norm.weight'] == depths['layers.3.blocks.1.norm.weight']
    assert depths['classifier.head.weight'] == depths['classifier.norm.weight'] + 1


def test_norms_that_a_key_names_do_not_decay():
    """MMEngine's constructor lets the key decide, with norm_decay_mult=0 or without."""
    keys = dict(backbone=dict(lr_mult=0.1))
    for mult in (0.0, None):
        settings, _ = built(classifier(MILA), custom_keys=keys, norm_decay_mult=mult)
        for name, setting in settings.items():
            decay = 0.0 if 'norm' in name and mult == 0.0 else DECAY
            assert setting == pytest.approx((0.1 * LR, decay)), name
