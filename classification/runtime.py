"""What training, testing and prediction share: configs, errors, a Runner.

MMEngine's Runner does the work. `Runner` below changes where it fails or is not safe: processes
on a machine without a GPU, checkpoints, resuming, files that cannot be read.
"""

import argparse
import copy
import difflib
import os
import re
import subprocess
import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, is_distributed, is_main_process
from mmengine.hooks import CheckpointHook, Hook, ParamSchedulerHook
from mmengine.model import BaseTTAModel, is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import BaseLoop, IterBasedTrainLoop, autocast
from mmengine.runner import Runner as MMRunner
from mmengine.runner.loops import _InfiniteDataloaderIterator

from .checks import listed, local_rank
from .data import DataError
from .samples import PlacedBatches, Samples, SeedIterations
from .stopping import StopOnSignal, Stopped, outlive_stop
from .weights import CheckpointError, load_weights, read_checkpoint

# MMEngine imports it anew for every config of mmdet and mmseg, and it warns each time.
warnings.filterwarnings('ignore', message='pkg_resources is deprecated')


class UsageError(RuntimeError):
    """A command, config or folder that cannot be used, in one sentence with the cure."""


_EXPECTED = (UsageError, DataError, CheckpointError, Stopped)
# What MMEngine's registries and constructors say about a config's unknown types and arguments.
_BAD_CONFIG = re.compile(
    r'is not in the \S+ registry|__init__\(\) (got an unexpected keyword|missing \d+ required)'
)


@contextmanager
def errors_in_one_sentence():
    """Turn an error that the user can cure into `error: …` on stderr and exit code 1.

    Everything else keeps its traceback.
    """
    try:
        yield
        if is_distributed():  # NCCL complains of processes that just leave
            torch.distributed.destroy_process_group()
    except _EXPECTED as error:
        _exit(error)
    except (KeyError, TypeError) as error:
        if not _BAD_CONFIG.search(str(error)):
            raise
        _exit(f'The config has an unknown or missing entry: {error.args[0]}')


def _exit(error):
    # A worker of the data loader wraps the sentence in its own traceback: the last line has it.
    sentence = str(error).strip().splitlines()[-1]
    sentence = re.sub(r'^[\w.]+Error: ', '', sentence)
    if _first_to_fail():
        print(f'error: {sentence}', file=sys.stderr, flush=True)
    sys.exit(1)


def _first_to_fail():
    """Of processes that fail alike, one says so: the first, or one on each machine at the start."""
    if is_distributed():
        store = torch.distributed.distributed_c10d._get_default_store()
        return store.add('errors reported', 1) == 1
    return local_rank() == 0


def config_parser(description, config=None):
    """An argument parser with what every tool takes: CONFIG, by default `config`, and options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = f'path of a config file{"; default: %(default)s" if config else ""}'
    parser.add_argument(
        'config', metavar='CONFIG', help=text, nargs='?' if config else None, default=config
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_Options,
        default={},
        metavar='KEY=VALUE',
        help='change entries of the config, such as train_dataloader.batch_size=4',
    )
    return parser


class _Options(DictAction):
    def __call__(self, parser, namespace, values, option_string=None):
        for value in values:
            if '=' not in value:
                parser.error(f'--cfg-options takes KEY=VALUE, not {value!r}')
        super().__call__(parser, namespace, values, option_string)


def load_config(path, options=None, work_dir=None, launcher='none'):
    """A config file as MMEngine's Config, ready for `Runner.from_cfg`.

    Args:
        path: the file.
        options: {'a.b': value} to change in it.
        work_dir: where the run writes; else the config's, else work_dirs/<name of the config>.
        launcher: 'none', 'pytorch' (torchrun) or 'slurm'.

    Raises:
        UsageError: no such file, or one that does not run.
    """
    path = Path(path)
    if not path.is_file():
        files = {file.name: file for file in sorted(Path('configs').rglob('*.py'))}
        near = [str(files[name]) for name in difflib.get_close_matches(path.name, files)]
        hint = f'did you mean {" or ".join(near)}?' if near else 'check the path.'
        raise UsageError(f'Config {path} does not exist: {hint}')
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise UsageError('--launcher pytorch is for torchrun: use tools/dist_train.sh or _test.sh.')
    if launcher == 'slurm':
        _join_slurm(os.environ)
        launcher = 'pytorch'
    try:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:  # a config is code, which can fail in any way
        reason = f'{type(error).__name__}, {error}'
        if isinstance(error, ImportError) and error.__context__:  # of custom_imports: why?
            reason += f': {error.__context__}'
        raise UsageError(f'Config {path} cannot be used: {" ".join(reason.split())}') from error
    cfg.launcher = launcher
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / path.stem)
    # MMEngine draws another seed each time; a run that can be repeated is worth more.
    cfg.randomness = {**cfg.get('randomness', {})}
    if cfg.randomness.get('seed') is None:
        cfg.randomness.seed = 0
    return cfg


def _join_slurm(env):
    """Say in torchrun's variables where srun has put this process; the set-up is then one.

    MASTER_ADDR and PORT go before what Slurm says.

    Raises:
        UsageError: no srun, or the first node is not to be found.
    """
    if 'SLURM_PROCID' not in env:
        raise UsageError('--launcher slurm is for srun: use tools/slurm_train.sh or _test.sh.')
    for name, source in (('RANK', 'PROCID'), ('LOCAL_RANK', 'LOCALID'), ('WORLD_SIZE', 'NTASKS')):
        env[name] = env[f'SLURM_{source}']
    # Jobs that share a node need ports of their own.
    env['MASTER_PORT'] = env.get('PORT') or str(10000 + int(env['SLURM_JOB_ID']) % 20000)
    if 'MASTER_ADDR' not in env:
        command = ['scontrol', 'show', 'hostnames', env['SLURM_JOB_NODELIST']]
        try:
            nodes = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(
                f'The first node is not to be found ({error}): set MASTER_ADDR to its name.'
            ) from None
        env['MASTER_ADDR'] = nodes.split()[0]


def unwrapped(model):
    """The model itself, from inside DDP and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


class _Skipping:
    """MMEngine's loop, resumed, draws and drops the batches of before: here without loading."""

    def __init__(self, batches, count):
        self.batches = batches
        self.count = count

    def __next__(self):
        if self.count:
            self.count -= 1
            return None
        return next(self.batches)


class StepSchedulers(ParamSchedulerHook):
    """As MMEngine's; a schedule that counts updates waits while gradients accumulate."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        updated = runner.optim_wrapper.should_update()
        for scheduler in runner.param_schedulers or []:
            if not scheduler.by_epoch and (updated or not hasattr(scheduler, 'by_update')):
                scheduler.step()


class Runner(MMRunner):
    """MMEngine's Runner that runs on a CPU too, reads checkpoints safely and resumes exactly."""

    def setup_env(self, env_cfg):
        """As MMEngine's, whose launcher needs a GPU: without one the processes talk by gloo."""
        if self._launcher == 'pytorch' and not is_distributed():
            if not torch.cuda.is_available():
                torch.distributed.init_process_group('gloo')
            elif local_rank() >= torch.cuda.device_count():
                raise UsageError(
                    f'Process {local_rank() + 1} of this machine has no GPU, there are '
                    f'{torch.cuda.device_count()}: start as many processes as GPUs.'
                )
        super().setup_env(env_cfg)

    def build_model(self, model):
        """As MMEngine's; an argument that the model refuses is an error of the config."""
        try:
            return super().build_model(model)
        except ValueError as error:
            raise UsageError(f'The model of the config cannot be built: {error}') from error

    def wrap_model(self, model_wrapper_cfg, model):
        """As MMEngine's, which gives each process a GPU and keeps SyncBN, which needs one."""
        if self.distributed and not torch.cuda.is_available():
            model = revert_sync_batchnorm(model)
            model_wrapper_cfg = {
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
                **(model_wrapper_cfg or {}),
                'device_ids': None,
            }
        return super().wrap_model(model_wrapper_cfg, model)

    @staticmethod
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False):
        """As MMEngine's, with Samples of PlacedBatches."""
        config = copy.deepcopy(dataloader)
        config['dataset'] = dict(type=Samples, dataset=config['dataset'], seed=seed)
        config['batch_sampler'] = dict(
            type=PlacedBatches,
            batch_sampler=config.get('batch_sampler'),
            drop_last=config.pop('drop_last', False),
            accumulated=config.pop('accumulated', 1),
        )
        loader = MMRunner.build_dataloader(config, seed, diff_rank_seed)
        loader.worker_init_fn = partial(outlive_stop, loader.worker_init_fn)
        return loader

    def build_train_loop(self, loop):
        """As MMEngine's; where batches are left out at the end, whole updates make an epoch."""
        if isinstance(self._train_dataloader, dict) and isinstance(self.optim_wrapper, dict):
            accumulated = self.optim_wrapper.get('accumulative_counts', 1)
            self._train_dataloader = dict(self._train_dataloader, accumulated=accumulated)
        return super().build_train_loop(loop)

    def train(self):
        """As MMEngine's; told to stop by SIGTERM it can be resumed from there."""
        with self._stop:
            return super().train()

    @property
    def images_per_update(self):
        """Images that one update of the weights sees, in all processes."""
        accumulated = self.optim_wrapper._accumulative_counts
        return self.train_dataloader.batch_sampler.batch_size * self.world_size * accumulated

    def scale_lr(self, optim_wrapper, auto_scale_lr=None):
        """As MMEngine's, which forgets the batches that accumulate to one update."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            base, images = auto_scale_lr['base_batch_size'], self.images_per_update
            self.logger.info(f'Learning rate for {base} images an update scaled to {images}.')
            for group in optim_wrapper.param_groups:
                group['lr'] *= images / base

    def _build_param_scheduler(self, scheduler, optim_wrapper):
        """As MMEngine's; a schedule converted from epochs counts updates of the weights."""
        updates = len(self.train_dataloader) / optim_wrapper._accumulative_counts
        built = []
        for config in scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]:
            by_update = isinstance(config, dict) and config.get('convert_to_iter_based')
            if by_update:
                config = dict(config, epoch_length=updates)
            built += super()._build_param_scheduler(config, optim_wrapper)
            if by_update:
                built[-1].by_update = True
        return built

    def register_hooks(self, default_hooks=None, custom_hooks=None):
        """As MMEngine's, with the hook that seeds each iteration; any default may be None."""
        default_hooks = {name: hook or Hook() for name, hook in (default_hooks or {}).items()}
        schedule = default_hooks.setdefault('param_scheduler', dict(type='ParamSchedulerHook'))
        if schedule == dict(type='ParamSchedulerHook'):
            default_hooks['param_scheduler'] = StepSchedulers()
        super().register_hooks(default_hooks, custom_hooks)
        self.register_hook(SeedIterations())
        self._stop = StopOnSignal()
        self.register_hook(self._stop)
        for hook in self.hooks:
            # The oldest goes before the next is written: of one, an interruption leaves none.
            if isinstance(hook, CheckpointHook) and hook.max_keep_ckpts == 1:
                hook.max_keep_ckpts = 2

    def load_checkpoint(self, filename, map_location='cpu', strict=True, revise_keys=()):
        """Load weights of any format strictly, or to resume a whole checkpoint of training.

        Raises:
            CheckpointError: the file is not usable or does not fit the model.
        """
        model = unwrapped(self.model)
        if not self._resume:
            load_weights(model, filename)
            checkpoint = dict(state_dict=model.state_dict())
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            return checkpoint

        checkpoint = read_checkpoint(filename)
        lacking = {'meta', 'state_dict', 'optimizer', 'message_hub'} - set(checkpoint)
        if lacking:
            raise CheckpointError(
                f'{filename} cannot be resumed, it has no {listed(sorted(lacking))}: give a '
                'checkpoint of this training, or start from its weights with load_from.'
            )
        # MMEngine would run this text as Python.
        checkpoint['meta'].pop('config', None)
        averaging = any(type(hook).__name__ in ('EMA', 'EMAHook') for hook in self.hooks)
        if 'ema_state_dict' in checkpoint and not averaging:
            raise CheckpointError(
                f'{filename} cannot be resumed without averaging the weights, as it was trained: '
                "add the config's EMA hook, or start from its average with load_from."
            )
        try:
            # First the hooks: EMA's puts the average and the weights in training in their places.
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            model.load_state_dict(checkpoint['state_dict'])
        except RuntimeError as error:
            reason = ' '.join(str(error).split())
            raise CheckpointError(
                f'{filename} does not fit this config, from which it was not trained: '
                f'{reason[:300]}'
            ) from None
        statistics = checkpoint['meta'].pop('statistics', [])
        if len(statistics) == self.world_size:  # else those of the first process are in all
            for own, saved in zip(self._statistics(), statistics[self.rank], strict=True):
                for name, value in saved.items():
                    own[name].copy_(value)
        self.logger.info(f'Resuming from {filename}')
        return checkpoint

    def resume(self, filename, *args, **kwargs):
        """As MMEngine's, and what was trained on is skipped without being read."""
        self._resume = True
        super().resume(filename, *args, **kwargs)
        loop = self.train_loop
        batches = loop.dataloader.batch_sampler
        if not isinstance(loop, IterBasedTrainLoop):
            batches.skip = loop.iter - loop.epoch * len(batches)  # saved within an epoch
        elif isinstance(batches.sampler, InfiniteSampler):
            # The workers started by the loop have drawn ahead: begin anew.
            batches.sampler.indices = batches.sampler._indices_of_rank()
            batches.skip = loop.iter
            iterator = _InfiniteDataloaderIterator(loop.dataloader)
            loop.dataloader_iterator = _Skipping(iterator, loop.iter)

    def _statistics(self):
        """Buffers of the model and its averages, which each process has of its own."""
        averages = [hook.average for hook in self.hooks if hasattr(hook, 'average')]
        statistics = []
        for module in (self.model, *averages):
            trained = dict(module.named_parameters())
            state = module.state_dict().items()
            statistics.append({name: value for name, value in state if name not in trained})
        return statistics

    def save_checkpoint(self, out_dir, filename, *args, **kwargs):
        """As MMEngine's, but whole or not at all: an interruption leaves the previous file."""
        if self.distributed:
            own = [{n: value.cpu() for n, value in part.items()} for part in self._statistics()]
            kwargs['meta'] = {**(kwargs.get('meta') or {}), 'statistics': all_gather_object(own)}
        unfinished = os.path.join(out_dir, f'.{filename}.partial')
        super().save_checkpoint(out_dir, os.path.basename(unfinished), *args, **kwargs)
        if is_main_process():
            with open(unfinished, 'rb+') as file:
                os.fsync(file.fileno())
            os.replace(unfinished, os.path.join(out_dir, filename))

    def dump_config(self):
        """Not yet, when MMEngine asks: neither a test nor a failed start overwrites a file."""

    def load_or_resume(self):
        """As MMEngine's; then nothing is in the way of training, and its config is saved."""
        super().load_or_resume()
        if isinstance(self._train_loop, BaseLoop):
            super().dump_config()


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16, which needs no loss scale; MMEngine's wrapper needs a GPU."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
