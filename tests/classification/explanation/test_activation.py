"""Grad-CAM: against its formula written out, in both layouts of a model's maps."""

import pytest
import timm
import torch

from classification.engine.task import Score
from classification.explanation.activation import class_activation
from tests.backbones import build as build_dense
from tests.small_models import build


def score(model, image):
    return lambda: Score(model(image)[0, 3], 3)


def test_mila_s_equals_the_formula():
    """The score from the last map on: the norm, the mean over tokens and the head."""
    model = build('mila_tiny')
    image = torch.randn(1, 3, 64, 96)
    found, given = class_activation(model, score(model, image))
    assert given.label == 3
    features = model.forward_intermediates(image, [1], intermediates_only=True)[0].detach()
    features.requires_grad_()
    logit = model.forward_head(model.norm(features.permute(0, 2, 3, 1)))[0, 3]
    (gradient,) = torch.autograd.grad(logit, features)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(found, (weights * features).sum(dim=1)[0].relu().detach())


def test_a_linear_head_weighs_the_channels():
    """Without a norm behind the stage, the weights are the class's row of the head."""
    torch.manual_seed(0)
    model = timm.create_model('resnet10t', num_classes=5).eval()
    image = torch.randn(1, 3, 64, 96)
    found, _ = class_activation(model, score(model, image))
    features = model.forward_features(image)[0]
    expected = torch.einsum('chw,c->hw', features, model.fc.weight[3]).relu()
    torch.testing.assert_close(found * found.numel(), expected.detach(), rtol=1e-4, atol=1e-6)


def test_the_score_of_a_region_is_explained_in_it():
    """The gradient stays where it is: here at one token of the last map."""
    model = build('mila_tiny')
    image = torch.randn(1, 3, 64, 96)
    region = torch.zeros(64, 96, dtype=torch.bool).numpy()

    def part():
        last = model.forward_intermediates(image, [1], intermediates_only=True)[0]
        return Score(last[0, :, 2, 3].square().sum(), 0, region)

    found, _ = class_activation(model, part)
    assert found[2, 3] > 0 and (found > 0).sum() == 1


@pytest.mark.parametrize('kind', ['MILA', 'VMamba, ratio 1.0', 'Swin', 'ConvNeXt', 'MambaOut'])
@pytest.mark.parametrize('stage', [1, -1])
def test_stages_of_every_layout_have_their_size(kind, stage):
    model = build_dense(kind).eval()
    image = torch.randn(1, 3, 64, 96)
    found, _ = class_activation(model, lambda: Score(model(image)[-1].square().sum(), 0), stage)
    assert found.shape == ((8, 12) if stage == 1 else (2, 3))
    assert found.min() >= 0 and found.max() > 0
