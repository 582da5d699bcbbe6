"""The study's rows: the published counts, what each switches, a config for each."""

from pathlib import Path

import pytest
import timm
import torch
from mmengine.config import Config
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from classification import zoo
from classification.models import ROWS
from classification.models.design import Design
from classification.models.ops import unified

PUBLISHED = {
    model.timm.removeprefix('study_'): model.published_counts
    for model in zoo.models()
    if model.timm and model.timm.startswith('study_') and model.published_counts
}


@pytest.mark.parametrize('row', PUBLISHED)
def test_counts_are_the_published_ones(row, monkeypatch):
    monkeypatch.setattr(unified, 'GATED_NUMBERS', {'cpu': 2**40})  # one chunk: nothing is computed
    with FakeTensorMode(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model = timm.create_model(f'study_{row}').eval()
        model(torch.empty(1, 3, 224, 224))
    parameters = sum(p.numel() for p in model.parameters())
    flops = counter.get_total_flops() / 2  # a multiply-add counts once in the tables
    published = PUBLISHED[row]
    assert round(parameters / 1e6) * 1e6 == published.number(published.parameters)
    assert abs(flops - published.number(published.flops)) <= 0.1e9


def test_eleven_switched_rows_differ_from_the_baseline_in_one_thing():
    baseline = Design()
    for name in PUBLISHED:
        design = timm.create_model(f'study_{name}', embed_dim=16, num_heads=(1, 2, 4, 8)).design
        changed = [f for f in vars(baseline) if getattr(design, f) != getattr(baseline, f)]
        expected = {'baseline': 0, 'forget_gate': 2}.get(name, 1)  # a forget gate needs a scan
        assert len(changed) == expected, name


def test_every_row_has_a_config():
    folder = Path(__file__).parents[3] / 'configs' / 'study'
    named = {Config.fromfile(path).model.model.name for path in folder.glob('*.py')}
    assert named == {f'study_{row}' for row in ROWS}
    for row in ROWS:
        assert (folder / f'study-{row.replace("_", "-")}_8xb128_in1k.py').is_file()


def test_the_papers_rows_are_known():
    """Twelve rows of its two tables; the others are this project's own."""
    assert len(PUBLISHED) == 12
    assert ROWS.keys() - PUBLISHED.keys() == {'mamba', 'causal', 'cpe_causal', 'winners'}
