"""What timm asks of a model, of every model registered here: as its own tests of models do."""

import io

import pytest
import timm
import torch
from timm.models import create_feature_extractor, get_graph_node_names

from classification.models.ops import rotary
from tests.helpers import gradients, images
from tests.small_models import RIVALS, SIZES, build

every_model = pytest.mark.parametrize('name', [*SIZES, *RIVALS])
OTHER_SIZES = [(1, 64, 96), (3, 65, 97), (2, 127, 33)]


def test_no_model_is_left_out():
    families = ('mila_*', 'vmamba_*', 'study_*')
    assert sorted(SIZES) == sorted(m for f in families for m in timm.list_models(f))


@every_model
@pytest.mark.parametrize('batch, height, width', OTHER_SIZES)
def test_forward(name, batch, height, width):
    with torch.no_grad():
        y = build(name)(images(height, width, batch))
    assert y.shape == (batch, 5) and y.isfinite().all()


@every_model
def test_backward(name):
    model = build(name).train()
    model(images()).square().sum().backward()
    for parameter, gradient in gradients(model).items():
        assert gradient is not None and gradient.isfinite().all(), parameter


@every_model
def test_default_cfg(name):
    model = build(name)
    cfg, state = model.default_cfg, model.state_dict()
    assert cfg['input_size'] == (3, 224, 224) and cfg['num_classes'] == 1000
    assert f'{cfg["classifier"]}.weight' in state and f'{cfg["first_conv"]}.weight' in state
    assert model.get_classifier() is model.get_submodule(cfg['classifier'])


@every_model
def test_reset_classifier(name):
    model, x = build(name), images()
    with torch.no_grad():
        model.reset_classifier(0)
        pooled = model(x)
        assert pooled.shape == (2, model.num_features)
        torch.testing.assert_close(
            model.forward_head(model.forward_features(x), pre_logits=True), pooled
        )
        model.reset_classifier(0, '')
        assert model(x).shape == model.forward_features(x).shape
        model.reset_classifier(7, 'avg')
        assert model(x).shape == (2, 7) and model.num_classes == 7


@every_model
def test_features_only(name):
    model = build(name, features_only=True, out_indices=(0, 1))
    with torch.no_grad():
        maps = model(images(72, 104))
    assert [y.shape[1] for y in maps] == model.feature_info.channels()
    for y, stride in zip(maps, model.feature_info.reduction(), strict=True):
        assert y.shape[2:] == (-(-72 // stride), -(-104 // stride))


@every_model
def test_forward_intermediates(name):
    model, x = build(name), images()
    with torch.no_grad():
        last, maps = model.forward_intermediates(x)
        torch.testing.assert_close(last, model.forward_features(x))
        alone = model.forward_intermediates(x, intermediates_only=True, output_fmt='NHWC')
    for y, z in zip(maps, alone, strict=True):
        torch.testing.assert_close(y, z.permute(0, 3, 1, 2))


# TorchScript by tracing. torch.jit.script is given up by PyTorch, and by these models.


@pytest.mark.parametrize('name', SIZES)
@pytest.mark.filterwarnings('ignore')  # the tracer is deprecated, and says so
def test_torchscript(name):
    """The trace has PyTorch's operators alone, holds for any size, and survives its file."""
    model, file = build(name), io.BytesIO()
    kept = set(rotary._TABLES)
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(model, images(), check_trace=False), file)
        assert set(rotary._TABLES) == kept
        file.seek(0)
        traced = torch.jit.load(file)
        graph = str(traced.inlined_graph)
        assert 'mila::' not in graph and 'complex' not in graph.lower()
        for batch, height, width in OTHER_SIZES:
            x = images(height, width, batch)
            torch.testing.assert_close(traced(x), model(x), rtol=1e-5, atol=1e-5)


# FX


@every_model
@pytest.mark.parametrize('batch, height, width', OTHER_SIZES)
def test_fx_forward(name, batch, height, width):
    model = build(name)
    nodes, _ = get_graph_node_names(model)
    for part in ('patch_embed', 'layers.0.blocks.0', 'layers.1.blocks.0'):
        assert any(node.startswith(part) for node in nodes)
    classifier = model.default_cfg['classifier']
    extract = create_feature_extractor(model, [classifier, 'layers.1.blocks.0'])
    x = images(height, width, batch)
    with torch.no_grad():
        torch.testing.assert_close(extract(x)[classifier], model(x))


@every_model
def test_fx_backward(name):
    model = build(name).train()
    extract = create_feature_extractor(model, [model.default_cfg['classifier']]).train()
    extract(images())[model.default_cfg['classifier']].square().sum().backward()
    assert all(gradient is not None for gradient in gradients(extract).values())
