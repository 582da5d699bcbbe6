"""Rivals of MILA against their official code: stored outputs, gradients, names and shapes."""

import json
from pathlib import Path

import pytest
import timm
import torch
from mmengine.registry import MODELS
from torch.overrides import TorchFunctionMode

import classification  # noqa: F401 - registers the models
from tests.helpers import relative_error

DATA = Path(__file__).parent / 'data'


def oracle(system):
    """What the official code computed: `classification` and, where there is one, `dense`."""
    return torch.load(DATA / f'{system}_nano.pth', weights_only=True)


def weights(case):
    """The state dict of the case's file."""
    file = case['checkpoint']
    found = [file[key] for key in ('state_dict_ema', 'state_dict', 'model') if key in file]
    return found[0] if found else file


def classifier(name, arch, case):
    """The case's model, for inference."""
    model = timm.create_model(name, num_classes=10, **arch).eval()
    model.load_state_dict(weights(case))
    return model


def assert_equals_official(name, arch, case):
    """A classifier's logits and the gradient of its input, in float64; the logits in others."""
    model = classifier(name, arch, case).double()
    x = case['input'].double().requires_grad_()
    logits = model(x)
    logits.backward(case['grad_output'].double())
    assert relative_error(logits, case['logits']) <= 1e-5
    assert relative_error(x.grad, case['grad_input']) <= 1e-5
    model.float()
    assert relative_error(model(case['input']), case['logits']) <= 1e-5
    with torch.autocast('cpu', torch.bfloat16):
        assert relative_error(model(case['input']), case['logits']) <= 6e-2


def backbone(name, arch, source, tmp_path, **options):
    """The dense backbone whose weights are those of a classifier's case, read from its file."""
    torch.save(source['checkpoint'], tmp_path / 'released.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'released.pth'))
    config = dict(type='TimmBackbone', name=name, init_cfg=init_cfg, **arch, **options)
    model = MODELS.build(config).eval()
    model.init_weights()
    return model


def assert_maps_equal_official(name, arch, source, case, tmp_path, norms=None):
    """A dense backbone's maps and the gradient of its input, in float64.

    Args:
        name, arch: of the model.
        source: the classifier's case, for the weights that both share.
        case: input, outputs, grad_outputs and grad_input.
        tmp_path: for the file.
        norms: the weights of the outputs' norms, in the order of the stages, each a weight and a
            bias; None where the model has none.
    """
    model = backbone(name, arch, source, tmp_path, norm=norms is not None)
    own = [n for n in model.state_dict() if n.startswith('norm')]
    model.load_state_dict(dict(zip(own, norms or [], strict=True)), strict=False)
    model.double()
    x = case['input'].double().requires_grad_()
    maps = model(x)
    torch.autograd.backward(maps, [g.double() for g in case['grad_outputs']])
    for y, expected in zip(maps, case['outputs'], strict=True):
        assert y.shape == expected.shape and relative_error(y, expected) <= 1e-5
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


class Shapes(TorchFunctionMode):
    """Tensors without values, whose initialisation is left out: it takes most of the time."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, '__name__', '')
        if name.endswith('_') and not name.startswith('_') and 'requires_grad' not in name:
            return args[0] if args else kwargs['tensor']
        with torch.device('meta'):
            return function(*args, **(kwargs or {}))


def assert_is_the_released_one(name, parameters, file=True):
    """The names and shapes of the released file load strictly, and the size is the official one.

    Args:
        name: of the model.
        parameters: of the official code, in millions.
        file: whether the names and shapes of a released file are known.
    """
    with Shapes():
        model = timm.create_model(name)
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert count == pytest.approx(parameters, abs=6e-4)
    if file:
        official = json.loads((DATA / f'state_dict_{name}.json').read_text())
        with torch.device('meta'):
            state = {n: torch.empty(shape) for n, shape in official.items()}
        model.load_state_dict(state, assign=True)
