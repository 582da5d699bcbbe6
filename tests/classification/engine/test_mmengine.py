"""What this project uses of MMEngine that is not its public interface.

A failure here says that the installed MMEngine is another than pyproject.toml asks for; each name
has to be looked up there, and the code that uses it changed.
"""

import inspect

import pytest
from mmengine.dataset import BaseDataset, InfiniteSampler
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, loops
from mmengine.utils import ManagerMixin

# Attributes that an __init__ or method sets, by the text of the class.
ATTRIBUTES = {
    Runner: ['_launcher', '_load_from', '_resume', '_has_loaded', '_train_dataloader', '_log_dir']
    + ['_train_loop', '_val_loop', '_test_loop', '_world_size'],
    EpochBasedTrainLoop: ['_epoch', '_iter'],
    IterBasedTrainLoop: ['_epoch', '_iter'],
    OptimWrapper: ['_accumulative_counts', '_inner_count'],
    AmpOptimWrapper: ['_scale_update_param', 'loss_scaler'],
    CheckpointHook: ['last_ckpt', 'best_ckpt_path', 'best_ckpt_path_dict', 'key_indicators'],
    BaseDataset: ['_metainfo'],
}
METHODS = {
    Runner: ['_build_param_scheduler', 'build_train_loop', 'load_or_resume', 'dump_config'],
    EpochBasedTrainLoop: ['_decide_current_val_interval'],
    IterBasedTrainLoop: ['_decide_current_val_interval'],
    InfiniteSampler: ['_indices_of_rank'],
    CheckpointHook: ['_save_checkpoint_with_step'],
    loops: ['_InfiniteDataloaderIterator'],
    EMAHook: ['_swap_ema_state_dict'],
    ManagerMixin: ['_instance_dict'],
}


@pytest.mark.parametrize(
    'owner, name', [(owner, name) for owner, names in ATTRIBUTES.items() for name in names]
)
def test_an_attribute_is_set(owner, name):
    assert f'self.{name}' in inspect.getsource(owner), f'MMEngine: {owner.__name__}.{name} is gone'


@pytest.mark.parametrize(
    'owner, name', [(owner, name) for owner, names in METHODS.items() for name in names]
)
def test_a_method_is_there(owner, name):
    assert hasattr(owner, name), f'MMEngine: {owner.__name__}.{name} is gone'


def test_info_of_the_message_hub():
    """Under these names CheckpointHook keeps what a resumed run goes on with."""
    source = inspect.getsource(CheckpointHook)
    for name in ('best_score', 'best_ckpt', 'last_ckpt', 'keep_ckpt_ids'):
        assert f"'{name}'" in source, f'MMEngine: {name} is gone'
