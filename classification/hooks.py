"""What MMEngine's Runner does for a classifier around its iterations."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop

from .data import DataError


@HOOKS.register_module()
class CheckClasses(Hook):
    """Refuse, before anything is loaded, datasets whose classes are not those of the model.

    A class without a folder in val would shift the labels of all after it, and a head that is too
    large would train, both without a word.

    Raises:
        DataError: the number differs from the model's, or the names from the training set's.
    """

    def before_run(self, runner):
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        loops = (runner._train_loop, runner._val_loop, runner._test_loop)
        # What this run does not need is still a config.
        datasets = [loop.dataloader.dataset for loop in loops if isinstance(loop, BaseLoop)]
        for dataset in datasets:
            classes = dataset.metainfo['classes']
            if len(classes) != model.num_classes:
                raise DataError(
                    f'{dataset.data_root} has {len(classes)} classes, the model '
                    f'{model.num_classes}: set model.model.num_classes in the config, or '
                    'metainfo.classes of the dataset to name them all.'
                )
            if classes != (expected := datasets[0].metainfo['classes']):
                odd = sorted(set(classes) ^ set(expected)) or ['in another order']
                raise DataError(
                    f'{dataset.data_root} has other classes than {datasets[0].data_root} '
                    f'({", ".join(odd[:3])}): make their folders agree.'
                )
