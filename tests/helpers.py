"""What several tests use: paths, images on disk, comparisons. Fixtures are in conftest.py."""

import re
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS
from PIL import Image

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / 'tests' / 'fixtures'
# The last checkpoint of the short training of each task, see conftest's `trained`.
LAST = dict(
    classification='epoch_2.pth',
    recipe='epoch_4.pth',
    detection='epoch_2.pth',
    segmentation='iter_6.pth',
)


# Configs of the systems of docs/systems.md that differ from those of MILA's by the backbone alone.
RIVAL = re.compile(
    '_(ravlt|hvittt|transnext|cswin|nat|dinat|sgformer|vim|plainmamba|localvim|localvmamba'
    '|efficientvmamba|mamba2d|pvtv2|focalnet|caformer)-|_(swin|convnext|vmamba)-[ts]_fpn_ms-crop-3x'
)


def committed_configs(*folders):
    """Paths of the configs in folders of configs/, as parameters of a test.

    Those that differ from others by the backbone alone are slow ones; RIVAL's are left out.
    """
    same = re.compile('-[sb]_|convnext|mambaout|vmamba|swin|study-(?!baseline)')
    return [
        pytest.param(path, id=path.stem, marks=pytest.mark.slow if same.search(path.name) else [])
        for folder in folders
        for path in sorted((ROOT / 'configs' / folder).glob('*.py'))
        if not RIVAL.search(path.name)
    ]


@contextmanager
def served(handler):
    """The address of a web site of this process, whose requests `handler` answers."""
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()


def picture(path, size=(40, 36), mode='RGB', seed=0):
    """Write an image of noise and return its RGB pixels (height, width, 3), before `mode`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return pixels


def image_dataset(path, kind='ImageFolder', size=32, **kwargs):
    """A dataset of classification/datasets, with the transforms of evaluation."""
    pipeline = [dict(type='ReadImage'), dict(type='TimmTransform', input_size=size)]
    return DATASETS.build(dict(type=kind, data_root=str(path), pipeline=pipeline, **kwargs))


def listing(dataset):
    """(path below data_root, label) of each sample."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    root = dataset.data_root
    return [(Path(i['img_path']).relative_to(root).as_posix(), i['gt_label']) for i in infos]


def assert_same_training(one, other):
    """Two checkpoints are equal to the bit: weights, EMA weights, optimiser and schedules."""
    assert one.keys() == other.keys()
    for name in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        a, b = (torch.utils._pytree.tree_flatten(file.get(name)) for file in (one, other))
        assert a[1] == b[1]
        for x, y in zip(a[0], b[0], strict=True):
            assert torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y, name


def images(height=64, width=96, batch=2, seed=0):
    """Noise (batch, 3, height, width), the same in each call."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)


def relative_error(a, b):
    """Of a tensor against the right one, in the 2-norm."""
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def gradients(model):
    """Name of each parameter -> its gradient."""
    return {name: p.grad for name, p in model.named_parameters()}
