"""The ablation: each variant lacks its part and nothing else; the table."""

import pytest

from classification.engine.running.runner import Runner
from classification.experiments import ablation
from tests.helpers import ROOT


@pytest.mark.parametrize('variant', ablation.VARIANTS)
def test_a_variant_lacks_its_part_alone(variant, config, here):
    options = {**ablation.VARIANTS[variant], 'train_cfg.max_epochs': 1}
    runner = Runner.from_cfg(config('recipe', **options))
    hooks = {type(hook).__name__ for hook in runner.hooks}
    present = {name for name in ('EMA', 'MESA') if name in hooks}
    present |= {'mixup'} if runner.model.mixup else set()
    assert (
        present
        == {
            'complete': {'EMA', 'MESA', 'mixup'},
            'without MESA': {'EMA', 'mixup'},
            'without EMA': {'mixup'},
            'without mixup': {'EMA', 'MESA'},
        }[variant]
    )


def test_its_config_has_all_of_the_recipe():
    cfg = ablation.Ablation(ROOT / ablation.DIGITS, seeds=1).cfg('complete')
    assert cfg.default_hooks.ema.type == 'EMA'
    assert cfg.default_hooks.mesa.type == 'MESA'
    assert cfg.model.mixup and cfg.model.label_smoothing and cfg.model.model.drop_path_rate


def test_table():
    ours = {'accuracy/top1': [80.0, 90.0], 'accuracy/ema_top1': [91.0, 91.0]}
    without = {'accuracy/top1': [80.0, 80.0], 'accuracy/ema_top1': []}
    lines = ablation.table({'complete': ours, 'without EMA': without}).splitlines()
    assert lines[0] == '| recipe, 2 seeds | top-1 | top-1 of the EMA weights |'
    assert lines[2] == '| complete | 85.0 ± 7.1 | 91.0 ± 0.0 |'
    assert lines[3] == '| without EMA | 80.0 ± 0.0 |  |'
