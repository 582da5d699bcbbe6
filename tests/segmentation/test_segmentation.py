"""segmentation/: one import registers everything for mmseg; the digits and scales are right."""

import subprocess
import sys

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

IMPORT = """
import sys, segmentation
from mmengine.registry import MODELS, DefaultScope
assert DefaultScope.get_current_instance() is None
assert 'detection' not in sys.modules
with MODELS.switch_scope_and_registry('mmseg') as registry:
    for name in ('MILA', 'EncoderDecoder', 'UPerHead'):
        assert registry.get(name), name
"""


def test_import_is_enough():
    subprocess.run([sys.executable, '-W', 'ignore', '-c', IMPORT], check=True)


def test_digits(here, pytestconfig):
    """Eleven classes: background is 0, digit d is d + 1, and nothing is ignored."""
    cfg = Config.fromfile(
        pytestconfig.rootpath / 'configs/quickstart/upernet_mila-digits_digits.py'
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 11
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 11
    paths = sorted((here / 'data/digits/ade/annotations/validation').iterdir())
    assert len(dataset) == len(paths)
    for path, packed in zip(paths, dataset, strict=True):
        labels = packed['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(labels, np.asarray(Image.open(path)) - 1)
        assert labels.max() < 11


def test_scales_of_ade20k(tmp_path, pytestconfig):
    """Six scales from 2048x512, whatever the size on disk, each plain and flipped."""
    cfg = Config.fromfile(
        pytestconfig.rootpath / 'configs/segmentation/upernet_mila-t_8xb2-160k_ade20k-512x512.py'
    )
    image = tmp_path / 'image.png'
    Image.fromarray(np.zeros((300, 400, 3), np.uint8)).save(image)
    Image.fromarray(np.ones((300, 400), np.uint8)).save(tmp_path / 'map.png')
    sample = dict(
        img_path=str(image),
        seg_map_path=str(tmp_path / 'map.png'),
        seg_fields=[],
        label_map=None,
        reduce_zero_label=True,
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        packed = Compose(cfg.tta_pipeline)(sample)
    heights = [image.shape[1] for image in packed['inputs']]
    assert sorted(heights) == sorted(2 * [256, 384, 512, 640, 768, 896])
    assert sum(s.metainfo['flip'] for s in packed['data_samples']) == 6
