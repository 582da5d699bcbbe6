"""The released VMamba files: any naming loads, strictly, wherever the model sits."""

import re
from pathlib import Path

import mmengine.registry
import pytest
import timm
import torch
from torch import nn

from classification.engine.errors import CheckpointError
from classification.engine.weights.loading import load_weights
from classification.rivals.vmamba import ORDERS, VMamba

DATA = Path(__file__).parents[2] / 'data'
NANO = dict(embed_dim=8, depths=(1, 1, 2, 1))


@pytest.fixture(scope='module')
def oracle():
    """Tiny instances of the released model, of ssm_ratio 1 and 2: weights, maps, gradient."""
    return torch.load(DATA / 'vmamba_nano.pth', weights_only=True)


def nano(**kwargs):
    torch.manual_seed(0)
    return VMamba(**{**NANO, **kwargs})


def older(state_dict):
    """The names and shapes of the older files."""
    old = {}
    for name, value in state_dict.items():
        name = name.removeprefix('classifier.')
        if name.endswith(('x_proj.weight', 'dt_projs.weight')):
            name = name.replace('.weight', '_weight')
            value = value.unflatten(0, (len(ORDERS), -1))
        old[name] = value
    return old


def newer(state_dict):
    """The same as kernels of 1x1 convolutions."""
    linear = re.compile(r'(in_proj|out_proj|x_proj|dt_projs|fc1|fc2)\.weight$')
    return {
        name: value[:, :, None, None] if linear.search(name) else value
        for name, value in state_dict.items()
    }


@pytest.fixture(params=[dict, older, newer], ids=['current', 'older', 'newer'])
def released(request):
    return request.param


def test_older_and_newer_files_differ(oracle):
    state = oracle['s1']['checkpoint']['model']
    old = older(state)
    assert old['layers.2.blocks.0.op.dt_projs_weight'].shape == (4, 32, 2)
    assert old['norm.weight'].shape == (64,) and 'head.bias' in old
    assert newer(state)['layers.0.blocks.0.mlp.fc1.weight'].shape == (32, 8, 1, 1)


@pytest.mark.parametrize('place', ['', '0.', 'a.b.'])
def test_any_naming_loads_wherever_the_model_sits(oracle, released, place):
    state = oracle['s1']['checkpoint']['model']
    model = nano(num_classes=10)
    whole = model
    for name in reversed(place.split('.')[:-1]):
        whole = nn.ModuleDict({name: whole})
    file = {place + name: value for name, value in released(state).items()}
    names = list(file)
    whole.load_state_dict(file)
    torch.testing.assert_close(model.state_dict(), dict(state), rtol=0, atol=0)
    assert list(file) == names  # the caller's dict is its own


def test_loads_through_timm_the_loader_and_init_cfg(oracle, released, tmp_path):
    state = oracle['s1']['checkpoint']['model']
    path = str(tmp_path / 'released.pth')
    torch.save(dict(model=released(state), epoch=1), path)
    config = dict(NANO, num_classes=10)

    model = timm.create_model('vmamba_tiny', checkpoint_path=path, **config)
    torch.testing.assert_close(model.state_dict(), dict(state), rtol=0, atol=0)

    model = nano(num_classes=10)
    load_weights(model, path)
    torch.testing.assert_close(model.state_dict(), dict(state), rtol=0, atol=0)

    dense = mmengine.registry.MODELS.build(
        dict(type='VMamba', arch=NANO, init_cfg=dict(type='Pretrained', checkpoint=path))
    )
    dense.init_weights()
    for name, value in dense.state_dict().items():
        if not name.startswith('outnorm'):
            torch.testing.assert_close(value, state[name], rtol=0, atol=0)

    around = nn.ModuleDict(dict(backbone=nano(num_classes=10)))  # as an ImageClassifier
    load_weights(around, path)
    torch.testing.assert_close(around.backbone.state_dict(), dict(state), rtol=0, atol=0)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s.pop('layers.1.blocks.0.op.Ds'), r'1 missing \(layers.1.blocks.0.op.Ds\)'),
        (lambda s: s.update(head_weight=s['head.weight']), r'1 unexpected \(head_weight\)'),
        (lambda s: s.update({'head.bias': torch.zeros(7)}), r'head.bias is \(7,\)'),
        (
            lambda s: s.update({'layers.0.blocks.0.op.x_proj_weight': torch.zeros(4, 5, 8)}),
            r'op.x_proj.weight is \(20, 8\), the model has \(12, 8\)',
        ),
    ],
)
def test_files_that_differ_are_refused(oracle, tmp_path, change, message):
    state = older(oracle['s1']['checkpoint']['model'])
    change(state)
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=message):
        load_weights(nano(num_classes=10), tmp_path / 'other.pth')
