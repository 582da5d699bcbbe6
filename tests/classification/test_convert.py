"""classification/convert.py: the model of a file without a config."""

import pytest
import timm
import torch

from classification.convert import model_args
from classification.engine.weights.formats import Weights


@pytest.mark.parametrize('name', ['mila_small', 'vmamba_tiny_s2l5', 'study_rope'])
def test_the_model_of_a_file_without_a_config(name):
    """Released sizes by names and shapes; several of the study's rows share theirs: --name."""
    with torch.device('meta'):
        state = timm.create_model(name, num_classes=7).state_dict()
    weights = Weights(state, 'file.pth', is_ema=False)
    named = name if name == 'study_rope' else None
    assert model_args(weights, named) == dict(name=name, num_classes=7)
