"""detection/: one import registers everything for mmdet, and the digits arrive as they are."""

import json
import subprocess
import sys

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

IMPORT = """
import sys, detection
from mmengine.registry import MODELS, DefaultScope
assert DefaultScope.get_current_instance() is None
assert 'mmseg' not in sys.modules and 'segmentation' not in sys.modules
with MODELS.switch_scope_and_registry('mmdet') as registry:
    for name in ('MILA', 'MaskRCNN', 'FPN'):
        assert registry.get(name), name
"""


def test_import_is_enough():
    subprocess.run([sys.executable, '-W', 'ignore', '-c', IMPORT], check=True)


def test_digits(here, pytestconfig):
    """Every instance of the annotation file reaches the model, with its class and whole mask."""
    cfg = Config.fromfile(
        pytestconfig.rootpath / 'configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py'
    )
    truth = json.loads((here / 'data/digits/coco/annotations/instances_train2017.json').read_text())
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert list(dataset.metainfo['classes']) == [c['name'] for c in truth['categories']]
    assert len(dataset) == len(truth['images'])
    for image, packed in zip(truth['images'], dataset, strict=True):
        expected = [a for a in truth['annotations'] if a['image_id'] == image['id']]
        found = packed['data_samples'].gt_instances
        assert found.labels.tolist() == [a['category_id'] - 1 for a in expected]
        # 64 pixels a side on disk, 128 in the model.
        for mask, annotation in zip(found.masks.masks, expected, strict=True):
            assert mask.shape == (128, 128)
            assert mask.sum() == 4 * annotation['area']
