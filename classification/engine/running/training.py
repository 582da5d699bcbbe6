"""Train what a config describes: all changes to the config in one place, then the Runner."""

from pathlib import Path

import torch
from mmengine.config import Config

from ..configs.checks import check_data
from ..errors import CheckpointError, UsageError
from ..files.atomic import remove_leftovers
from ..machine.faults import machine_faults
from ..machine.locks import locked
from ..machine.ranks import global_rank
from ..task import task_of
from .runner import Runner
from .trained import last_checkpoint


def train(
    cfg: Config,
    resume: str | Path | None = None,
    amp: bool = False,
    tensorboard: bool = False,
    auto_scale_lr: bool = False,
) -> Runner:
    """Train a config's model; arguments as `prepare_training`.

    Returns:
        The Runner, after training.

    Raises:
        UsageError, DataError, CheckpointError: the config cannot be trained as it is, another
            process trains into its work dir, or the machine failed.
        Stopped: SIGTERM ended the training, and a checkpoint is there; or its loss or weights are
            not finite.
    """
    with machine_faults(cfg.work_dir), locked(cfg.work_dir):
        if not global_rank():
            remove_leftovers(cfg.work_dir)
        prepare_training(cfg, resume, amp, tensorboard, auto_scale_lr)
        check_data(cfg, 'train', 'val')
        runner = Runner.from_cfg(cfg)
        runner.train()
    return runner


def prepare_training(
    cfg: Config,
    resume: str | Path | None = None,
    amp: bool = False,
    tensorboard: bool = False,
    auto_scale_lr: bool = False,
) -> None:
    """Change a config for a training.

    Args:
        cfg: as `load_config` gives it.
        resume: a checkpoint's path, 'last' for the last one in the work dir where there is one, or
            None for what the config says.
        amp: mixed precision, fp16 on a GPU and bfloat16 on a CPU.
        tensorboard: log for TensorBoard too.
        auto_scale_lr: scale the learning rate to the total batch size.

    Raises:
        CheckpointError: the checkpoint to resume from does not exist.
        UsageError: training would overwrite the checkpoints of another run, or the config is not
            made for what was asked.
    """
    set_start(cfg, resume)
    if amp:
        _use_amp(cfg)
    if tensorboard:
        _use_tensorboard(cfg)
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise UsageError(
                f'--auto-scale-lr needs auto_scale_lr.base_batch_size in {cfg.filename}: '
                'set the batch size that its learning rate is for.'
            )
        cfg.auto_scale_lr.enable = True


def set_start(cfg: Config, resume: str | Path | None) -> None:
    """Let cfg say where training starts: from a checkpoint of its own, or anew in a new folder.

    Args, Raises: as `prepare_training`.
    """
    work_dir = Path(cfg.work_dir)
    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'last'
    start = last_checkpoint(work_dir) if resume == 'last' else resume and Path(resume)
    if start and not start.is_file():
        raise CheckpointError(f'Checkpoint {start} to resume from does not exist: check the path.')

    # What an interruption left unfinished has a name that begins with a dot.
    saved = sorted(path.name for path in work_dir.glob('[!.]*.pth'))
    own = start and start.resolve().parent == work_dir.resolve()
    if saved and not start and resume == 'last':
        raise UsageError(
            f'{work_dir} has no checkpoint to resume from, but {", ".join(saved[:3])}: move these '
            'away to start anew, or give the path of a checkpoint.'
        )
    if saved and not own:
        raise UsageError(
            f'{work_dir} already holds checkpoints of a run ({", ".join(saved[:3])}): '
            'go on with it by --resume, or give another --work-dir.'
        )
    cfg.resume = bool(start)
    if start:
        cfg.load_from = str(start)


def _use_amp(cfg: Config) -> None:
    """Mixed precision with what else the config says of the optimiser."""
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    elif refusal := task_of(cfg).cpu_amp_refusal:
        raise UsageError(refusal)
    else:
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'


def _use_tensorboard(cfg: Config) -> None:
    """Log there besides where the config logs."""
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = visualizer.get('vis_backends') or [dict(type='LocalVisBackend')]
    backends = [*backends, dict(type='TensorboardVisBackend')]
    cfg.visualizer = dict(visualizer, vis_backends=backends)
