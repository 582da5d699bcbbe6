"""What the hierarchical models share: stages and the depth's rates; the rest is in test_mila.py."""

import pytest
import torch
from torch import nn

from classification.models.staged import Stage, StagedModel, drop_path_rates


class Scale(nn.Module):
    """A block: x times its weight."""

    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(value)))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.weight


def test_rates_rise_to_the_last_over_all_stages():
    assert drop_path_rates(0.3, (1, 2, 1)) == [[0.0], pytest.approx([0.1, 0.2]), [0.3]]
    assert drop_path_rates(0.3, (1,)) == [[0.0]]


@pytest.mark.parametrize('checkpointing', [False, True])
def test_a_stage_runs_its_blocks_and_leaves_the_way_down(checkpointing):
    blocks = [Scale(2), Scale(3)]
    stage = Stage(blocks, downsample=nn.Identity())
    stage.grad_checkpointing = checkpointing
    x = torch.ones(1, 2, 2, 4, requires_grad=True)
    y = stage(x)
    y.sum().backward()
    assert torch.equal(y, torch.full_like(x, 6.0)) and torch.equal(x.grad, torch.full_like(x, 6.0))
    assert [block.calls for block in blocks] == [1 + checkpointing] * 2
    stage.eval()(x)
    assert [block.calls for block in blocks] == [2 + checkpointing] * 2


def test_the_stem_is_the_patch_embedding():
    stem = nn.Identity()
    stages = [Stage([], nn.Identity()) for _ in range(2)]
    model = StagedModel(stem, stages, (4, 8), 4, 3, 0, 'avg', 0.0)
    assert model.stem_modules() == (stem,)
    assert [info['module'] for info in model.feature_info] == ['layers.0', 'layers.1']
    assert [info['reduction'] for info in model.feature_info] == [4, 8]
