"""Real images on which an exported model is compared with the model itself."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import matplotlib.cbook
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS

from ..engine.configs.datasets import leaf_datasets
from ..engine.errors import DataError
from ..engine.images import read_image
from ..engine.prediction.sources import find_sources
from ..engine.task import Task

_COUNT = 3


def find_pictures(cfg: Config, task: Task, given: Sequence[str]) -> tuple[list[np.ndarray], str]:
    """(images (H, W, 3) uint8 in RGB, where they are from).

    Args:
        cfg: names the test dataset, whose images are taken where they are here.
        task: reads them.
        given: files and folders that are taken instead.

    Raises:
        UsageError: there are no such images.
        DataError: one cannot be read.
    """
    if given:
        sources = islice(find_sources(given).sources, _COUNT)
        return [source.read() for source in sources], ', '.join(given)
    dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
    pictures = _first(dataset, task)
    if pictures:
        return pictures, 'the test dataset'
    photo = matplotlib.cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)
    return [read_image(photo)], "Matplotlib's sample photo, for the test dataset is not here"


def _first(config: Any, task: Task) -> list[np.ndarray]:
    """The first images of a dataset; none where it is not here."""
    try:
        dataset = DATASETS.build(config)
        return [
            task.read_picture(dataset.get_data_info(i)) for i in range(min(_COUNT, len(dataset)))
        ]
    except (OSError, DataError):
        return []
