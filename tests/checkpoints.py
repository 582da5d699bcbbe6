"""A tiny MILA, its weights, and what loading a file of them must do."""

import pytest
import torch

from classification.engine.errors import CheckpointError
from classification.engine.weights.loading import load_weights
from classification.models import MILA

NANO = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), num_classes=5)
FIRST = 'patch_embed.conv1.conv.weight'


def nano(seed=0, **changes):
    torch.manual_seed(seed)
    return MILA(**{**NANO, **changes})


STATE = nano(1).state_dict()
OTHER = nano(2).state_dict()


def prefixed(prefix, state=STATE):
    return {prefix + name: value for name, value in state.items()}


def assert_loads(source, expected=STATE, model=None, **kwargs):
    model = model or nano()
    load_weights(model, source, **kwargs)
    torch.testing.assert_close(model.state_dict(), expected, rtol=0, atol=0)


def assert_refused(source, message, model=None, **kwargs):
    """Refused in one sentence that names the file, before any weight has changed."""
    model = model or nano()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message) as caught:
        load_weights(model, source, **kwargs)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    sentence = str(caught.value)
    assert str(source) in sentence
    assert '\n' not in sentence and '. ' not in sentence and sentence.endswith('.')
    return sentence
