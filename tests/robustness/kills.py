"""SIGKILL at random moments of a training that is then resumed, compared with one never killed.

Each case trains three times in forks: whole, killed, resumed. Calls of hooks and of functions that
write files are counted in the whole training, so that each is as likely as another to be killed;
`torn` leaves a half-written file, and `clock` is a signal from outside at any time.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.fileio.backends import LocalBackend
from mmengine.runner import Runner
from PIL import Image

import classification  # noqa: F401  (before the forks, which then start at once)
from classification.engine.configs.loading import load_config
from classification.engine.running.trained import last_checkpoint
from classification.engine.running.training import train
from classification.engine.weights.formats import read_checkpoint
from classification.visualization.scalars import read_scalars
from tests.helpers import FIXTURES, assert_same_training

TITLE = 'SIGKILL in training, then --resume'
TIME_LIMIT = 120  # several trainings, which take a few seconds each on a quiet machine
STAGES = ('between', 'torn', 'clock', 'writing', 'evaluating', 'training')
BETWEEN = ('after_train_epoch', 'before_val', 'before_val_epoch', 'after_val_epoch', 'after_val')
FILES = 7  # that a whole training writes: each checkpoint twice, and the best
LOOPS = ('epochs', 'iterations')


def cases(count: int, seed: int) -> list[str]:
    kinds = [f'{loop} {stage}' for stage in STAGES for loop in LOOPS]
    most = min(count, 30)  # each takes ten seconds
    return [f'{kinds[(i * 5) % len(kinds)]} {i}' for i in range(most)]


def run(name: str, seed: int, folder: Path) -> str:
    loop, stage, _ = name.split()
    rng = random.Random(f'{seed} {name}')
    write_images(folder)
    begun = time.monotonic()
    in_a_fork(lambda: train_whole(loop))
    seconds = time.monotonic() - begun
    counts = json.loads(Path('counts.json').read_text())

    def killed() -> None:
        if stage == 'torn':
            tear(rng.randint(1, FILES), rng.random())
        elif stage != 'clock':
            count_calls((stage, rng.randint(1, counts[stage])))
        train(config(loop, 'killed'))

    in_a_fork(killed, seconds * rng.random() if stage == 'clock' else None)
    in_a_fork(lambda: train(config(loop, 'killed'), resume='last'))
    return 'silent' if differences(Path('whole'), Path('killed')) else 'right'


def train_whole(loop: str) -> None:
    """Train without an interruption, and write how many calls there were."""
    counts = count_calls()
    train(config(loop, 'whole'))
    Path('counts.json').write_text(json.dumps(counts))


def write_images(folder: Path) -> None:
    """Noise as a folder of two classes, 8 images to train on and 4 to validate."""
    pixels = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 4)):
        for i in range(count):
            path = folder / f'data/{split}/{"ab"[i % 2]}/{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)


def config(loop: str, work_dir: str) -> Config:
    """The recipe in small: three evaluations in six iterations, each after a checkpoint."""
    cfg = load_config(FIXTURES / 'recipe.py', work_dir=work_dir)
    cfg.model.model.num_classes = 2
    cfg.train_dataloader.dataset.data_root = 'data/train'
    cfg.val_dataloader.dataset.data_root = 'data/val'
    cfg.train_dataloader.dataset.indices = cfg.val_dataloader.dataset.indices = None
    cfg.val_evaluator.topk = (1,)
    cfg.train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
    if loop == 'iterations':
        cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=2)
        cfg.train_dataloader.sampler.type = 'InfiniteSampler'
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
        cfg.default_hooks.logger.log_metric_by_epoch = False
    return cfg


def in_a_fork(call: Callable[[], Any], kill_after: float | None = None) -> None:
    """Run a function in a fork; raise where it ends in another way than well or by SIGKILL."""
    child = os.fork()
    if not child:
        try:
            torch.set_num_threads(1)
            call()
        except BaseException as error:
            Path('error.txt').write_text(f'{type(error).__name__}: {error}')
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if status and os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise AssertionError(Path('error.txt').read_text())


def count_calls(kill: tuple[str, int] | None = None) -> Counter[str]:
    """Count the calls of hooks and file functions by stage, and kill at one of them.

    Args:
        kill: (stage, number of the call).

    Returns:
        {stage: calls so far}, which goes on counting.
    """
    counts: Counter[str] = Counter()

    def note(stage: str) -> None:
        counts[stage] += 1
        if (stage, counts[stage]) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def call_hook(runner: Runner, fn_name: str, **kwargs: Any) -> None:
        stage = 'evaluating' if '_val' in fn_name else 'training'
        for hook in runner.hooks:
            note('between' if fn_name in BETWEEN else stage)
            getattr(hook, fn_name)(runner, **kwargs)

    def noted(function: Callable) -> Callable:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            note('writing')
            return function(*args, **kwargs)

        return wrapped

    Runner.call_hook = call_hook
    LocalBackend.put = noted(LocalBackend.put)
    for name in ('replace', 'fsync', 'unlink', 'remove', 'open'):
        setattr(os, name, noted(getattr(os, name)))
    return counts


def tear(number: int, share: float) -> None:
    """Kill in the middle of writing the `number`-th checkpoint."""
    put = LocalBackend.put
    seen = Counter[str]()

    def torn_put(self: LocalBackend, data: bytes, path: str) -> None:
        seen['files'] += 1
        if seen['files'] == number:
            Path(path).write_bytes(bytes(data)[: int(share * len(data))])
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, data, path)

    LocalBackend.put = torn_put


def differences(whole: Path, other: Path) -> list[str]:
    """What a training has not in common with the whole one; nothing, if resuming is exact."""
    found = []
    names = [
        sorted(path.name for path in folder.iterdir() if path.is_file())
        for folder in (whole, other)
    ]
    if names[0] != names[1]:
        return [f'files {names[1]} instead of {names[0]}']
    for name in (name for name in names[0] if name.endswith('.pth')):
        one, two = (read_checkpoint(folder / name) for folder in (whole, other))
        try:
            assert_same_training(one, two)
        except AssertionError as error:
            found.append(f'{name}: {error}')
        for hub in (one['message_hub'], two['message_hub']):
            info = hub['runtime_info']
            info['best_ckpt'] = os.path.basename(info.get('best_ckpt', ''))
        keys = ('best_ckpt', 'best_score', 'evaluated_iter', 'keep_ckpt_ids')
        a, b = (
            [file['message_hub']['runtime_info'].get(key) for key in keys] for file in (one, two)
        )
        if a != b:
            found.append(f'{name}: {b} instead of {a}')
        a, b = (metrics_of(file) for file in (one, two))
        if a != b:
            found.append(f'{name}: metrics {b} instead of {a}')
    a, b = (evaluations(folder) for folder in (whole, other))
    if a != b:
        found.append(f'evaluations {b} instead of {a}')
    if last_checkpoint(whole).name != last_checkpoint(other).name:
        found.append('last_checkpoint')
    return found


def metrics_of(checkpoint: dict) -> dict[str, list[float]]:
    """{name: values} of the history in a checkpoint, times left out."""
    scalars = checkpoint['message_hub']['log_scalars']
    kept = {n: buffer for n, buffer in scalars.items() if not n.endswith(('time', 'memory'))}
    return {name: buffer.data[0].tolist() for name, buffer in kept.items()}


def evaluations(folder: Path) -> dict[int, float]:
    """{step: top-1} of what was logged."""
    lines = [line for line in read_scalars(folder) if 'accuracy/ema_top1' in line]
    return {line['step']: line['accuracy/ema_top1'] for line in lines}
