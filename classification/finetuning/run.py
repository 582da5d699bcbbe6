"""From a folder of annotated images to a trained model and its report."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ..analysis.report import write_report
from ..annotations.checks.dataset import check
from ..annotations.problems.verdict import refuse_or_log
from ..annotations.recognise import read_dataset
from ..annotations.records import Annotations
from ..annotations.split import split_images
from ..engine.configs.loading import load_config
from ..engine.errors import CheckpointError, Stopped, UsageError
from ..engine.files.atomic import atomic
from ..engine.files.project import PROJECT
from ..engine.running.training import train
from ..visualization.tables import markdown
from .choices import (
    LEAST_BATCH,
    Choices,
    affordable_epochs,
    batch_per_update,
    choose_images,
    choose_schedule,
)
from .data import repeat_rare, write_data
from .facts import Facts, count_facts
from .recipe import TEMPLATES, compose, find_template, released_weights
from .trial import available_memory, largest_batch, memory_per_image, try_batches

CONFIG = 'config.py'
_BUDGET_SHARE = 0.9  # of the time; the rest is for starting and the report


@dataclass(frozen=True)
class Request:
    """What is to be fine-tuned, as on the command line.

    Attributes:
        path: folder or file of the annotated images.
        task: one of recipe.TEMPLATES, None for what the annotations allow.
        layout, classes, images, labels: as `recognise.read_dataset`.
        model: name of a backbone.
        head: None for the first of the task's.
        weights: file to start from, None for the released ones of the backbone.
        from_scratch: start from random weights.
        epochs: None to choose.
        budget: seconds that training may take, None without a limit.
        gpus: processes that train together.
        flip: whether a mirrored image is an image too.
        seed: of the split and the training.
    """

    path: Path
    task: str | None = None
    layout: str | None = None
    classes: list[str] | None = None
    images: Path | None = None
    labels: Path | None = None
    model: str = 'mila-t'
    head: str | None = None
    weights: Path | None = None
    from_scratch: bool = False
    epochs: int | None = None
    budget: float | None = None
    gpus: int = 1
    flip: bool = True
    seed: int = 0

    def as_config(self) -> dict[str, Any]:
        """What an interrupted run must share with the one that goes on, as plain values."""
        values = asdict(self) | dict(path=self.path.absolute())
        return {n: str(v) if isinstance(v, Path) else v for n, v in values.items()}


def finetune(request: Request, work_dir: Path, plan_only: bool = False) -> Path:
    """Read, check, choose, train and report; an interrupted run goes on where it stopped.

    Args:
        request: what to do.
        work_dir: receives config.py, the files of the data, checkpoints and report.html.
        plan_only: end before training, with the config written.

    Returns:
        The config's path.

    Raises:
        UsageError: a question that an option answers, or a work dir of another request.
        DataError: images or annotations that cannot be trained on.
        CheckpointError: no weights to start from.
    """
    config = work_dir / CONFIG
    if config.is_file():
        _check_same(request, config)
        print(f'{config} is there already: going on with it.')
    else:
        _plan(request, work_dir)
    if plan_only:
        return config
    _train(config, request.gpus)
    _report(config)
    return config


def _check_same(request: Request, config: Path) -> None:
    """Raise UsageError where a work dir belongs to another request."""
    before = load_config(config).get('finetune', {})
    changed = [name for name, value in request.as_config().items() if before.get(name) != value]
    if changed:
        raise UsageError(
            f'{config} was made with {changed[0].replace("_", "-")} {before.get(changed[0])}, not '
            f'{request.as_config()[changed[0]]}: give another --work-dir, or remove that folder.'
        )


def _plan(request: Request, work_dir: Path) -> None:
    """Everything up to the written config."""
    weights = _weights(request)
    annotations = read_dataset(
        request.path,
        request.layout,
        request.task,
        request.classes,
        request.images,
        request.labels,
    )
    kind = request.task or task_for(annotations)
    find_template(kind, request.head)  # before anything is written
    split_images(annotations, request.seed)
    for note in annotations.notes:
        print(note)
    refuse_or_log(check(annotations), shlex.quote(str(request.path)))
    train_images = [image for image in annotations.images if image.split == 'train']
    facts = count_facts(kind, annotations)
    cuda = torch.cuda.is_available()
    choices = choose_images(facts, request.flip, cuda, request.gpus)
    if choices.oversample:
        train_images = repeat_rare(train_images, len(annotations.classes))
    data = write_data(kind, annotations, train_images, work_dir / 'data')

    def composed(choices: Choices) -> Config:
        cfg = compose(kind, request.head, request.model, weights, data, choices)
        cfg.finetune = request.as_config()
        cfg.work_dir = str(work_dir)
        cfg.randomness = dict(seed=request.seed)
        return cfg

    epoch = replace(facts, train=len(train_images))
    choices = _choose(request, epoch, choices, composed, work_dir)
    print(f'\n{facts.train} images to train on, {facts.val} to evaluate on.')
    print(markdown(['choice', 'value', 'reason'], choices.table()))
    with atomic(work_dir / CONFIG) as file:
        file.write_text(_config_text(composed(choices), request, choices))
    print(f'\nAll of it stands in {work_dir / CONFIG}, which you can edit and train yourself.')


def task_for(annotations: Annotations) -> str:
    """What the annotations are for, where they allow one thing alone; masks count more than boxes.

    Raises:
        UsageError: they allow several, or nothing.
    """
    found = []
    if annotations.has_objects:
        found.append('segment' if annotations.has_masks else 'detect')
    if annotations.has_maps:
        found.append('semantic')
    if annotations.has_labels:
        found.append('classify')
    if len(found) != 1:
        what = f'can be used for {" and ".join(found)}' if found else 'have nothing to learn from'
        raise UsageError(
            f'The annotations of {annotations.root} {what}: say what to train by --task '
            f'{"|".join(found or TEMPLATES)}.'
        )
    return found[0]


def _weights(request: Request) -> Path | None:
    """The file to start from, None for random weights.

    Raises:
        CheckpointError: there is none, and --from-scratch was not given.
    """
    if request.from_scratch:
        return None
    path = request.weights or released_weights(request.model)
    if path is None:
        raise CheckpointError(
            f'{request.model} has no released weights: give a file by --weights, or --from-scratch.'
        )
    if not path.is_file():
        raise CheckpointError(
            f'{path} does not exist: fetch it by `python tools/fetch.py {path.stem}`, give '
            'another file by --weights, or start from random weights with --from-scratch.'
        )
    return path


def _choose(
    request: Request,
    facts: Facts,
    choices: Choices,
    composed: Callable[[Choices], Config],
    work_dir: Path,
) -> Choices:
    """Complete the choices by trying what an iteration costs."""
    config = work_dir / 'trial.py'
    total = batch_per_update(facts)
    least = LEAST_BATCH[facts.kind]
    sizes = [8, 16] if facts.kind == 'classify' else [least, 2 * least]
    config.write_text(composed(choices).pretty_text)
    try:
        print('Trying what an iteration costs here …', flush=True)
        trials = try_batches(config, sizes)
    finally:
        config.unlink()
    memory = available_memory(request.gpus)
    fits = largest_batch(trials, memory, total)
    last = trials[-1]
    if len(trials) < len(sizes):
        more = f'{sizes[-1]} more than there is'
    else:
        more = f'each more {memory_per_image(trials) / 1e9:.1f}; {memory / 1e9:.1f} are to be had'
    why = f'{last.batch} took {last.memory / 1e9:.1f} GB, {more}'
    affordable = None
    if request.budget is not None:
        train = facts.train * last.seconds / last.batch / request.gpus
        val = facts.val * last.test_seconds / request.gpus
        affordable = affordable_epochs(request.budget * _BUDGET_SHARE, train, val)
    seconds = last.seconds / last.batch
    return choose_schedule(
        choices, facts, (fits, why), request.gpus, request.epochs, affordable, seconds
    )


def _config_text(cfg: Config, request: Request, choices: Choices) -> str:
    """The complete config as Python, with the choices above it."""
    comments = [f'# {name}: {value} ({reason})' for name, value, reason in choices.table()]
    return '\n'.join(
        [
            f'"""{request.model} fine-tuned on {request.path.name}, as tools/finetune.py chose.',
            '',
            'python tools/train.py THIS_FILE trains it anew, with what you change here.',
            '"""',
            '',
            *comments,
            '',
            cfg.pretty_text,
        ]
    )


def _train(config: Path, gpus: int) -> None:
    """Train, or go on after an interruption."""
    if gpus > 1:
        tools = PROJECT / 'tools'
        command = [tools / 'launch.py', str(gpus), tools / 'train.py', config, '--resume']
        code = subprocess.run([sys.executable, *map(str, command)]).returncode
        if code:
            raise UsageError(f'Training in {gpus} processes ended early: see above for the reason.')
        return
    try:
        train(load_config(config), resume='last')
    except Stopped as error:
        raise Stopped(f'{error} Here that means: run the same command again.') from None


def _report(config: Path) -> None:
    report = write_report(config.parent, config=config)
    print(f'\nThe report is {report}')
