"""Train a classifier, a detector or a segmentor: the config decides.

    python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] [--amp] [--auto-scale-lr]
                                  [--tensorboard]

For several processes see tools/dist_train.sh. Without --resume a work dir that holds checkpoints
is refused; a resumed run goes on exactly as if it had never stopped. SIGTERM ends a run after its
iteration with a checkpoint, from which --resume goes on.
"""

from pathlib import Path

import torch

from classification.engine.checks import check_data
from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.config import load_config
from classification.engine.errors import CheckpointError, UsageError
from classification.engine.runner import Runner
from classification.engine.stopping import CHECKPOINT


def parse_args(argv=None):
    parser = config_parser(__doc__)
    parser.add_argument('--work-dir', help='default: work_dirs/<name of the config>')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='last',
        metavar='PATH',
        help='go on from PATH, or from the last checkpoint in the work dir where there is one',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: on a GPU fp16 with dynamic loss scale (optim_wrapper.dtype=bfloat16 '
        'in --cfg-options for bf16), on a CPU bf16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate to this run's total batch size",
    )
    parser.add_argument(
        '--tensorboard',
        action='store_true',
        help='log for TensorBoard too: tensorboard --logdir DIR shows it, while training goes on',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    return parser.parse_args(argv)


def last_checkpoint(work_dir):
    """What training in the folder saved last, or None."""
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        last = work_dir / Path(pointer.read_text().strip()).name  # the folder may have moved
        if last.is_file():
            return last
    patterns = ('epoch_*.pth', 'iter_*.pth', CHECKPOINT)
    saved = [path for pattern in patterns for path in work_dir.glob(pattern)]
    return max(saved, key=lambda path: path.stat().st_mtime, default=None)


def set_start(cfg, resume):
    """Let cfg say where training starts: from a checkpoint of its own, or anew in a new folder.

    Args:
        resume: a path, 'last', or None for what the config says.

    Raises:
        CheckpointError: the path does not exist.
        UsageError: training would overwrite the checkpoints of another run.
    """
    work_dir = Path(cfg.work_dir)
    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'last'
    start = last_checkpoint(work_dir) if resume == 'last' else resume and Path(resume)
    if start and not start.is_file():
        raise CheckpointError(f'Checkpoint {start} to resume from does not exist: check the path.')

    saved = sorted(path.name for path in work_dir.glob('*.pth'))
    own = start and start.resolve().parent == work_dir.resolve()
    if saved and not own:
        raise UsageError(
            f'{work_dir} already holds checkpoints of a run ({", ".join(saved[:3])}): '
            'go on with it by --resume, or give another --work-dir.'
        )
    cfg.resume = bool(start)
    if start:
        cfg.load_from = str(start)


def use_amp(cfg):
    """Mixed precision with what else the config says of the optimiser."""
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    elif cfg.get('default_scope') == 'mmdet':
        raise UsageError(
            "--amp is bfloat16 on a CPU, where mmcv's NMS and RoIAlign have none: train this "
            'detector without --amp, or on a GPU.'
        )
    else:
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'


def use_tensorboard(cfg):
    """Log there besides where the config logs."""
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = visualizer.get('vis_backends') or [dict(type='LocalVisBackend')]
    backends = [*backends, dict(type='TensorboardVisBackend')]
    cfg.visualizer = dict(visualizer, vis_backends=backends)


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
        set_start(cfg, args.resume)
        if args.amp:
            use_amp(cfg)
        if args.tensorboard:
            use_tensorboard(cfg)
        if args.auto_scale_lr:
            if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
                raise UsageError(
                    f'--auto-scale-lr needs auto_scale_lr.base_batch_size in {args.config}: '
                    'set the batch size that its learning rate is for.'
                )
            cfg.auto_scale_lr.enable = True
        check_data(cfg, 'train', 'val')
        Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
