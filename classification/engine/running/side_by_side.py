"""Pictures of an evaluation, of any task."""

import os
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ...visualization.colours import choose_palette
from ...visualization.drawing import class_colours
from ..task import task_of


@HOOKS.register_module()
class SideBySideHook(Hook):
    """Write a picture of each test image: the truth, and beside it the prediction with its errors.

    Args:
        folder: receives NUMBER_NAME.png of each image, numbered as in the dataset.
        palette: of `colours.PALETTES`.
    """

    def __init__(self, folder: str | os.PathLike, palette: str = 'dataset'):
        self.folder = Path(folder)
        self.palette = palette

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        task, dataset = task_of(runner.cfg), runner.test_dataloader.dataset
        classes = dataset.metainfo['classes']
        palette = choose_palette(self.palette, class_colours(dataset.metainfo))
        # The sampler deals out the images to the processes in turn.
        first = batch_idx * runner.test_dataloader.batch_sampler.batch_size
        for i, sample in enumerate(outputs, start=first):
            index = i * runner.world_size + runner.rank
            if index >= len(dataset):  # repeated to give all processes equally many
                continue
            info = dataset.get_data_info(index)
            picture = task.read_picture(info)
            self.folder.mkdir(parents=True, exist_ok=True)
            task.draw_comparison(picture, sample, classes, palette).save(
                self.folder / f'{index:06d}_{Path(info["img_path"]).stem}.png'
            )
