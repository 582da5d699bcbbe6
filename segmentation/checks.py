"""Checks of annotated maps."""

from collections.abc import Mapping
from typing import Any

from classification.engine.errors import DataError
from classification.engine.samples import ReproducibleDataset


def check_sample(dataset: ReproducibleDataset, sample: Mapping[str, Any], index: int) -> None:
    """Raise DataError for a label beyond the classes.

    It would end in an index error in training, or be lost in evaluation.
    """
    truth = getattr(sample.get('data_samples'), 'gt_sem_seg', None)
    labels = getattr(truth, 'data', None)
    if labels is None:
        return
    ignored = getattr(dataset, 'ignore_index', 255)
    odd = labels[(labels >= dataset.num_classes) & (labels != ignored)]
    if odd.numel():
        path = dataset.get_data_info(index)['seg_map_path']
        raise DataError(
            f'{path} holds label {int(odd.max())} (after reduce_zero_label), the config knows '
            f'0 to {dataset.num_classes - 1}: make metainfo.classes agree with the maps.'
        )
