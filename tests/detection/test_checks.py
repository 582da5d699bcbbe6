"""detection/checks.py: an annotation file whose images are elsewhere; see also test_train."""

import json
from pathlib import Path

import pytest

from classification.engine.checks import check_data
from classification.engine.errors import DataError


def test_the_first_image_of_an_annotation_file_must_be_there(config):
    cfg = config('detection', **{'train_dataloader.dataset.data_prefix.img': 'val2017/'})
    with pytest.raises(DataError, match='val2017/000000000005.png does not exist'):
        path = Path('annotations.json')
        content = json.loads(
            Path('data/digits/coco/annotations/instances_train2017.json').read_text()
        )
        content['images'] = content['images'][4:]
        path.write_text(json.dumps(content))
        cfg.train_dataloader.dataset.ann_file = str(path.absolute())
        check_data(cfg, 'train')
