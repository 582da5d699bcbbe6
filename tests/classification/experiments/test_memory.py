"""The memory study: what each mixer can know, what is counted, and that runs are kept."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from classification.datasets.digit_pairs import DigitPairs
from classification.engine.errors import UsageError
from classification.experiments import memory, memory_report
from classification.experiments.memory import MIXERS, REACH, Budget, MemoryStudy, Run

TINY = Budget(steps=2, batch=4, tested=6)


def reads(mixer, far):
    """Whether the answer in the middle of 13 x 13 cells depends on the cell at `far`."""
    torch.manual_seed(0)
    model = memory.build(mixer).double()
    image = torch.rand(1, 1, 13 * 8, 13 * 8, dtype=torch.float64, requires_grad=True)
    model(image)[0, 6, 6].sum().backward()
    row, column = (8 * (6 + step) for step in far)
    return bool(image.grad[0, 0, row : row + 8, column : column + 8].abs().sum() > 0)


@pytest.mark.parametrize('far', [(-6, 0), (6, 0), (0, -6), (0, 6), (5, -5)])
@pytest.mark.parametrize('mixer', MIXERS)
def test_what_a_token_can_know(mixer, far):
    assert max(map(abs, far)) > REACH
    before = far[0] < 0 or far == (0, -6)
    expected = {'local': False, 'causal': before, 'forget gate': before}
    assert reads(mixer, far) == expected.get(mixer, True)


@pytest.mark.parametrize('mixer', MIXERS)
def test_everything_reads_what_is_near_and_before(mixer):
    assert reads(mixer, (-REACH, REACH))


class Oracle(nn.Module):
    """Answers with the digits that a test gives it; of the other digit it knows what lies above."""

    def __init__(self, canvases):
        super().__init__()
        self.canvases = canvases

    def forward(self, images):
        canvases = self.canvases.draw(len(images))
        assert torch.equal(canvases.images, images)
        said = torch.zeros(len(images), 3, 3, 20)
        rows, columns = canvases.cells.unbind(-1)
        at = torch.arange(len(images))[:, None]
        said[at, rows, columns, canvases.digits] = 1
        right = canvases.digits.flip(1)
        above = canvases.offsets()[..., 0] < 0
        said[at, rows, columns, 10 + torch.where(above, right, (right + 1) % 10)] = 1
        return said


def test_right_answers_are_counted_where_the_other_digit_lies():
    oracle = Oracle(DigitPairs('val', 3, seed=0))
    found = memory.test(oracle, Run('causal', 3, 5), Budget(batch=7, tested=40))
    right, asked = (np.array(found[name]) for name in ('right', 'asked'))
    assert found['here'] == 1
    assert asked.shape == (5, 5)
    assert asked.sum() == 80
    assert asked[2, 2] == 0
    assert (right[:2] == asked[:2]).all()
    assert (right[2:] == 0).all()
    assert found['other'] == right.sum() / 80


def test_a_model_that_learns_is_found_out():
    """With enough steps on few cells both questions are answered; chance is .1."""
    run, budget = Run('all-to-all', 2, 0), Budget(steps=150, batch=64, tested=256)
    found = memory.test(memory.train(run, budget), run, budget)
    assert found['here'] > 0.8
    assert found['other'] > 0.5


def test_runs_repeat():
    run = Run('all-to-all', 3, 1)
    first, again = (memory.test(memory.train(run, TINY), run, TINY) for _ in range(2))
    assert first == again


def test_complete_runs_are_kept_and_reported(tmp_path):
    study = MemoryStudy(tmp_path, ['causal', 'local'], [3, 2], 2, TINY)
    kept = tmp_path / study.runs[0].file
    kept.write_text(json.dumps(dict(here=1, other=1, right=[[1] * 3] * 3, asked=[[2] * 3] * 3)))
    study.train()
    results = study.results()
    assert len(results) == 8
    assert results[study.runs[0]]['here'] == 1
    table = memory_report.table(results)
    assert 'causal' in table
    assert '±' in table
    memory_report.size_figure(tmp_path / 'size.png', results)
    memory_report.offset_figure(tmp_path / 'offset.png', results, 3)
    for name in ('size', 'offset'):
        assert min(Image.open(tmp_path / f'{name}.png').size) > 100
    with pytest.raises(UsageError, match='another budget'):
        MemoryStudy(tmp_path, budget=Budget(steps=3))


def test_right_answers_of_all_seeds_are_summed():
    runs = {
        Run('causal', 2, seed): dict(here=0, other=0, right=right, asked=[[0, 2, 2]] * 3)
        for seed, right in enumerate([[[0, 1, 2]] * 3, [[0, 1, 0]] * 3])
    }
    shares = memory_report.right_by_offset(runs, 'causal', 2)
    np.testing.assert_array_equal(shares, [[np.nan, 50, 50]] * 3)
