"""What training, testing and prediction share: configs, checks of the data, a Runner, errors.

MMEngine's Runner does the work. `Runner` below changes where it fails or is not safe: processes
on a machine without a GPU, checkpoints, resuming, files that cannot be read.
"""

import argparse
import copy
import difflib
import json
import os
import random
import re
import sys
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import InfiniteSampler
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import BaseTTAModel, is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import DATA_SAMPLERS, DATASETS, OPTIM_WRAPPERS
from mmengine.runner import BaseLoop, IterBasedTrainLoop, autocast
from mmengine.runner import Runner as MMRunner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from PIL import Image
from torch.utils.data import BatchSampler

from .data import DataError
from .weights import CheckpointError, load_weights, read_checkpoint


class UsageError(RuntimeError):
    """A command, config or folder that cannot be used, in one sentence with the cure."""


_EXPECTED = (UsageError, DataError, CheckpointError)
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
    return _local_rank() == 0


def _local_rank():
    return int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', 0)))


def config_parser(description):
    """An argument parser with what every tool takes: CONFIG and --cfg-options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', metavar='CONFIG', help='path of a config file')
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
    try:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:  # a config is code, which can fail in any way
        reason = ' '.join(str(error).split())
        raise UsageError(
            f'Config {path} cannot be used: {type(error).__name__}, {reason}'
        ) from error
    cfg.launcher = launcher
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / path.stem)
    # MMEngine draws another seed each time; a run that can be repeated is worth more.
    cfg.randomness = {**cfg.get('randomness', {})}
    if cfg.randomness.get('seed') is None:
        cfg.randomness.seed = 0
    return cfg


# The cure for data that is not there, by a part of its path.
_CURES = {
    'digits': 'make it with `python tools/make_digits.py --out data/digits`.',
    'coco': 'COCO goes to data/coco/{annotations,train2017,val2017}, or set data_root.',
    'ade': 'ADE20K goes to data/ade/ADEChallengeData2016/{images,annotations}/'
    '{training,validation}, or set data_root.',
    'imagenet': 'ImageNet goes to data/imagenet/{train,val}/<class>/, or set data_root.',
}


def check_data(cfg, *splits):
    """Fail before anything is built where the datasets of `splits` ('train', …) do not fit cfg.

    Raises:
        DataError: a file or folder is missing, or COCO categories and classes differ.
    """
    if _local_rank():  # the files are large, and every process would say the same
        return
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader is None:
            continue
        with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
            for dataset in leaf_datasets(loader['dataset']):
                _check_dataset(dataset, registry.get(dataset['type']))
        evaluators = cfg.get(f'{split}_evaluator') or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            if evaluator.get('ann_file'):
                _require(evaluator['ann_file'])


def leaf_datasets(dataset):
    """The configs of the datasets inside wrappers such as RepeatDataset and ConcatDataset."""
    inner = dataset.get('datasets', [dataset['dataset']] if 'dataset' in dataset else [])
    return [leaf for child in inner for leaf in leaf_datasets(child)] or [dataset]


def _check_dataset(dataset, cls):
    root = dataset.get('data_root') or ''
    prefixes = (dataset.get('data_prefix') or {'': ''}).values()
    folders = [os.path.join(root, prefix or '') for prefix in prefixes]
    for folder in folders:
        _require(folder)
    ann_file = dataset.get('ann_file')
    if not ann_file:
        return
    ann_file = os.path.join(root, ann_file)
    _require(ann_file)
    if hasattr(cls, 'COCOAPI'):
        classes = cls._load_metainfo(dataset.get('metainfo'))['classes']
        _check_coco(ann_file, classes, folders[0])


def _require(path):
    if '://' in path or not path or os.path.exists(path):
        return
    path = Path(path)
    cures = [cure for name, cure in _CURES.items() if name in path.parts]
    cures.append('put the dataset there or set data_root in the config.')
    raise DataError(f'{path} does not exist: {cures[0]}')


def _check_coco(path, classes, folder):
    """mmdet drops annotations of unknown categories, and unknown classes, without a word."""
    try:
        content = json.loads(Path(path).read_bytes())
        names = {category['id']: category['name'] for category in content['categories']}
        files = [image['file_name'] for image in content['images'] if 'file_name' in image]
        used = {annotation['category_id'] for annotation in content.get('annotations', [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path} is not an annotation file in COCO format ({type(error).__name__}: {error}): '
            'download or make it again.'
        ) from None
    unknown = [name for name in names.values() if name not in classes]
    unknown += [f'id {number}' for number in sorted(used - names.keys())]
    absent = [name for name in classes if name not in names.values()]
    for found, problem in (
        (unknown, 'categories that the config does not know'),
        (absent, 'not the classes of the config'),
    ):
        if found:
            raise DataError(
                f'{path} has {problem} ({_some(found)}): make metainfo.classes of the dataset and '
                'num_classes of the model agree with the file.'
            )
    if files:
        _require(os.path.join(folder, files[0]))


def _some(names, count=5):
    return ', '.join(map(str, names[:count])) + (', …' if len(names) > count else '')


def check_image(path):
    """Raise DataError where a file is missing or cannot be read as an image."""
    try:
        with Image.open(path) as image:
            image.load()
    except FileNotFoundError:
        raise DataError(f'Image {path} does not exist: put it there or unlist it.') from None
    except Exception as error:  # damaged files make PIL raise anything
        raise DataError(
            f'{path} cannot be read as an image ({type(error).__name__}): '
            'replace or remove the file.'
        ) from None


def _seed(*key):
    """Seed Python, numpy and torch's CPU generator with a function of the integers in `key`."""
    words = np.random.SeedSequence(key).generate_state(4)
    number = int.from_bytes(words.tobytes(), 'little') >> 65
    random.seed(number)
    np.random.seed(words)
    torch.default_generator.manual_seed(number)
    return number


class SeedIterations(Hook):
    """Make the chance in an iteration (dropout, sampling) a function of seed, rank and iteration.

    So nothing has to be saved for a resumed run to go on exactly as if it had never stopped.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        torch.cuda.manual_seed_all(_seed(1, runner.seed, runner.rank, runner.iter))


class _Place(int):
    """An index into a dataset that knows where in the training it was drawn."""

    def __new__(cls, index, where=None):
        place = super().__new__(cls, index)
        place.where = where
        return place


class PlacedBatches:
    """A batch sampler whose indices know their place, (epoch, batch, position).

    Args:
        sampler, batch_size, drop_last: as torch's BatchSampler.
        batch_sampler: config of the one to use instead.
    """

    def __init__(self, sampler, batch_size, drop_last=False, batch_sampler=None):
        self.sampler = sampler
        self.batch_size = batch_size
        if batch_sampler is None:
            self.batches = BatchSampler(sampler, batch_size, drop_last)
        else:
            args = dict(sampler=sampler, batch_size=batch_size, drop_last=drop_last)
            self.batches = DATA_SAMPLERS.build(batch_sampler, default_args=args)
        self.skip = 0  # batches to leave out of the next pass

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        skip, self.skip = self.skip, 0
        epoch = getattr(self.sampler, 'epoch', 0)
        for number, batch in enumerate(self.batches):
            if number >= skip:
                yield [_Place(index, (epoch, number, i)) for i, index in enumerate(batch)]


class Samples:
    """A dataset whose samples are reproducible and whose broken files are named.

    The augmentation of a sample is a function of the seed and of the place where it is drawn:
    equal for any number of workers, after a resume, and different in each epoch. MMEngine seeds
    workers alike in each epoch, and workers that it keeps alive cannot be resumed.
    """

    def __init__(self, dataset, seed):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.seed = seed or 0

    def __len__(self):
        return len(self.dataset)

    def __getattr__(self, name):
        # Not before `dataset` is there, nor for what Python and torch look for, as __getitems__.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, place):
        """The sample at a _Place, or at an index with the chance of the moment.

        Raises:
            DataError: a file of the sample cannot be read, or its map holds unknown labels.
        """
        index = int(place)
        before = random.getstate(), np.random.get_state(), torch.get_rng_state()
        if getattr(place, 'where', None):
            rank = torch.distributed.get_rank() if is_distributed() else 0
            _seed(2, self.seed, rank, *place.where)
        try:
            sample = self.dataset[index]
        except DataError:
            raise
        except Exception:
            self._check_files(index)
            raise
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
            torch.set_rng_state(before[2])
        self._check_labels(sample, index)
        return sample

    def _check_files(self, index):
        """After a failure: is it that a file cannot be read?"""
        info = self.dataset.get_data_info(index)
        for path in filter(None, (info.get('img_path'), info.get('seg_map_path'))):
            check_image(path)

    def _check_labels(self, sample, index):
        """A label beyond the classes would end in an index error, or be lost in evaluation."""
        truth = getattr(sample.get('data_samples'), 'gt_sem_seg', None)
        labels = getattr(truth, 'data', None)
        if labels is None:
            return
        ignored = getattr(self, 'ignore_index', 255)
        odd = labels[(labels >= self._num_classes) & (labels != ignored)]
        if odd.numel():
            path = self.dataset.get_data_info(index)['seg_map_path']
            raise DataError(
                f'{path} holds label {int(odd.max())} (after reduce_zero_label), the config knows '
                f'0 to {self._num_classes - 1}: make metainfo.classes agree with the maps.'
            )

    @cached_property
    def _num_classes(self):
        return len(self.dataset.metainfo['classes'])


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


class Runner(MMRunner):
    """MMEngine's Runner that runs on a CPU too, reads checkpoints safely and resumes exactly."""

    def setup_env(self, env_cfg):
        """As MMEngine's, whose launcher needs a GPU: without one the processes talk by gloo."""
        if self._launcher == 'pytorch' and not is_distributed():
            if not torch.cuda.is_available():
                torch.distributed.init_process_group('gloo')
            elif _local_rank() >= torch.cuda.device_count():
                raise UsageError(
                    f'Process {_local_rank() + 1} of this machine has no GPU, there are '
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
        )
        return MMRunner.build_dataloader(config, seed, diff_rank_seed)

    def register_hooks(self, default_hooks=None, custom_hooks=None):
        """As MMEngine's, with the hook that seeds each iteration."""
        super().register_hooks(default_hooks, custom_hooks)
        self.register_hook(SeedIterations())
        for hook in self.hooks:
            # The oldest goes before the next is written: of one, an interruption leaves none.
            if isinstance(hook, CheckpointHook) and hook.max_keep_ckpts == 1:
                hook.max_keep_ckpts = 2

    def load_checkpoint(self, filename, map_location='cpu', strict=True, revise_keys=()):
        """Load weights of any format strictly, or to resume a whole checkpoint of training.

        Raises:
            CheckpointError: the file is not usable or does not fit the model.
        """
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        if not self._resume:
            load_weights(model, filename)
            checkpoint = dict(state_dict=model.state_dict())
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            return checkpoint

        checkpoint = read_checkpoint(filename)
        lacking = {'meta', 'state_dict', 'optimizer', 'message_hub'} - set(checkpoint)
        if lacking:
            raise CheckpointError(
                f'{filename} cannot be resumed, it has no {_some(sorted(lacking))}: give a '
                'checkpoint of this training, or start from its weights with load_from.'
            )
        # MMEngine would run this text as Python.
        checkpoint['meta'].pop('config', None)
        # Before loading: the EMA hook puts its average and the weights in training in their places.
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        try:
            model.load_state_dict(checkpoint['state_dict'])
        except RuntimeError as error:
            reason = ' '.join(str(error).split())
            raise CheckpointError(
                f'{filename} does not fit this config, from which it was not trained: '
                f'{reason[:300]}'
            ) from None
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

    def save_checkpoint(self, out_dir, filename, *args, **kwargs):
        """As MMEngine's, but whole or not at all: an interruption leaves the previous file."""
        partial = os.path.join(out_dir, f'.{filename}.partial')
        super().save_checkpoint(out_dir, os.path.basename(partial), *args, **kwargs)
        if is_main_process():
            with open(partial, 'rb+') as file:
                os.fsync(file.fileno())
            os.replace(partial, os.path.join(out_dir, filename))

    def dump_config(self):
        """Not yet, when MMEngine asks: neither a test nor a failed start overwrites a file."""

    def load_or_resume(self):
        """As MMEngine's; from here on nothing is in the way of training, and its config is saved."""
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
