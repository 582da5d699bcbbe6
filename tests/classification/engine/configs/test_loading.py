"""engine/configs/loading.py: where a run writes, its seed, and configs of no use."""

import pytest

from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from tests.helpers import FIXTURES


def test_a_config_knows_where_to_write_and_has_a_seed(here):
    cfg = load_config(FIXTURES / 'classification.py', {'train_dataloader.batch_size': 3})
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.work_dir == 'work_dirs/classification'
    assert cfg.randomness.seed == 0
    (here / 'c.py').write_text('work_dir = "mine"\nrandomness = dict(seed=5, deterministic=True)')
    cfg = load_config('c.py')
    assert (cfg.work_dir, cfg.randomness.seed, cfg.randomness.deterministic) == ('mine', 5, True)
    assert load_config('c.py', work_dir='cli').work_dir == 'cli'


@pytest.mark.parametrize(
    'text, expected',
    [
        ('model = dict(', r'Config c.py cannot be used: SyntaxError'),
        ('_base_ = "none.py"', r'Config c.py cannot be used: .*none.py'),
        ('model = undefined', r"Config c.py cannot be used: NameError, .*'undefined'"),
        ('custom_imports = dict(imports=["no_module"])', r'c.py cannot be used: .*no_module'),
        (None, r'Config c.py does not exist: did you mean configs/cc.py\?'),
    ],
)
def test_a_config_that_cannot_be_used(text, expected, here):
    (here / 'configs').mkdir()
    (here / 'configs/cc.py').touch()
    if text:
        (here / 'c.py').write_text(text)
    with pytest.raises(UsageError, match=expected) as error:
        load_config('c.py')
    assert '\n' not in str(error.value)


def test_torchrun_only_under_torchrun():
    with pytest.raises(UsageError, match='for torchrun'):
        load_config(FIXTURES / 'classification.py', launcher='pytorch')
