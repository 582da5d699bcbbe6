"""classification/engine/inference.py: a Predictor for Python users, and whence classes come."""

import pytest
import torch
from mmengine.config import Config

from classification.engine.errors import UsageError
from classification.engine.inference import find_classes
from classification.engine.weights import read_weights


def test_classes_come_from_the_checkpoint_else_from_the_config(here):
    cfg = Config(
        dict(
            test_dataloader=dict(
                dataset=dict(type='ImageFolder', metainfo=dict(classes=['a', 'b']))
            )
        )
    )
    meta = {'dataset_meta': {'classes': ('c',), 'palette': [[1, 2, 3]]}}
    torch.save({'meta': meta, 'state_dict': {'x': torch.zeros(1)}}, 'own.pth')
    torch.save({'x': torch.zeros(1)}, 'plain.pth')
    assert find_classes(cfg, read_weights('own.pth')) == (('c',), [(1, 2, 3)])
    classes, palette = find_classes(cfg, read_weights('plain.pth'))
    assert classes == ['a', 'b'] and len(set(palette)) == 2
    del cfg.test_dataloader.dataset['metainfo']
    with pytest.raises(UsageError, match='plain.pth nor .* names the classes'):
        find_classes(cfg, read_weights('plain.pth'))
