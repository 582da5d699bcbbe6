"""classification/engine/safe_globals.py: what a file may hold besides weights."""

import argparse

import numpy as np
import pytest
import timm
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from classification.engine.weights import read_checkpoint
from tests.checkpoints import (
    STATE,
    assert_loads,
)


@pytest.mark.parametrize(
    'extra',
    [
        argparse.Namespace(lr=1e-3, tags=['a']),
        ConfigDict(model=dict(depths=[1, 2])),
        HistoryBuffer([1.0, 2.0], [1, 1]),
        np.float64(0.5),
        np.int64(3),
        np.bool_(True),
        np.array([[1, 2]]),
        np.array(['a', 'bc']),
        {'seed': (0, np.arange(3, dtype=np.uint8))},
    ],
    ids=lambda extra: type(extra).__name__,
)
def test_inert_objects_are_read(save, extra):
    path = save({'model': STATE, 'extra': extra})
    assert plain(read_checkpoint(path)['extra']) == plain(extra)
    assert_loads(path)


def plain(value):
    if isinstance(value, HistoryBuffer):
        value = value.data
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def test_timms_loader_leaves_the_allow_list_whole(save):
    path = save({'model': STATE, 'args': argparse.Namespace(lr=1e-3)})
    timm.models.load_state_dict(str(path))  # takes Namespace off torch's list afterwards
    assert read_checkpoint(path)['args'] == argparse.Namespace(lr=1e-3)
