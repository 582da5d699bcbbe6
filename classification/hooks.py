"""What MMEngine's Runner does for a classifier around its iterations."""

from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import weights_to_cpu
from timm.utils import ModelEmaV3

from .engine.distributed import unwrapped
from .engine.errors import DataError, UsageError


@HOOKS.register_module()
class CheckClasses(Hook):
    """Refuse, before anything is loaded, datasets whose classes are not those of the model.

    A class without a folder in val would shift the labels of all after it, and a head that is too
    large would train, both without a word.

    Raises:
        DataError: the number differs from the model's, or the names from the training set's.
    """

    def before_run(self, runner):
        model = unwrapped(runner.model)
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


@HOOKS.register_module()
class EMA(Hook):
    """Average the weights and batch statistics over the training, with each update, as timm does.

    Validation scores the model and the average in one pass. Checkpoints follow MMEngine's
    convention: `state_dict` is the average, `ema_state_dict` the weights in training.

    Args:
        decay: what of the average an update keeps, where an update sees `batch_size` images; with
            B images it keeps decay ** (B / batch_size).
        batch_size: 4096 as in ConvNeXt's and the official MILA recipe.
    """

    def __init__(self, decay=0.9996, batch_size=4096):
        self.decay = decay
        self.batch_size = batch_size

    def before_run(self, runner):
        if hasattr(self, 'average'):  # train() and test() of one Runner both begin here
            return
        model = unwrapped(runner.model)
        self.average = ModelEmaV3(model).requires_grad_(False)
        model.attach_ema(self.average.module.backbone)

    def before_train(self, runner):
        self.average.decay = self.decay ** (runner.images_per_update / self.batch_size)
        if not runner._resume:  # since before_run the model may have read its weights
            self.average.set(unwrapped(runner.model))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.optim_wrapper.should_update():  # not while gradients accumulate
            self.average.update(unwrapped(runner.model))

    def after_train_epoch(self, runner):
        # As SyncBuffersHook for the model: each process has batch norm statistics of its own.
        all_reduce_params(self.average.buffers(), op='mean')

    def before_save_checkpoint(self, runner, checkpoint):
        in_training = checkpoint['state_dict']
        checkpoint['state_dict'] = weights_to_cpu(self.average.module.state_dict())
        checkpoint['ema_state_dict'] = {f'module.{n}': value for n, value in in_training.items()}

    def after_load_checkpoint(self, runner, checkpoint):
        average = checkpoint['state_dict']
        if runner._resume and 'ema_state_dict' in checkpoint:
            in_training = checkpoint['ema_state_dict']
            checkpoint['state_dict'] = {
                name.removeprefix('module.'): value
                for name, value in in_training.items()
                if name.startswith('module.')  # MMEngine's own hook counts steps beside them
            }
        self.average.module.load_state_dict(average)


@HOOKS.register_module()
class MESA(Hook):
    """Let the averaged model teach: its scores of the same images as targets beside the labels.

    Args:
        weight: of that part of the loss.
        start: share of the epochs before it begins.

    Raises:
        UsageError: there is no averaged model.
    """

    def __init__(self, weight=1.0, start=0.25):
        self.weight = weight
        self.start = start

    def before_train(self, runner):
        if unwrapped(runner.model).ema is None:
            raise UsageError(
                'MESA learns from the averaged weights, which this config does not keep: add '
                "default_hooks.ema=dict(type='EMA'), or leave MESA out with "
                'default_hooks.mesa=None.'
            )

    def before_train_epoch(self, runner):
        begun = runner.epoch >= int(self.start * runner.max_epochs)
        unwrapped(runner.model).mesa = self.weight if begun else 0.0
