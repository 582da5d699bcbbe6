"""Train a classifier, a detector or a segmentor: the config decides.

    python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] [--amp] [--auto-scale-lr]
                                  [--tensorboard]

For several processes see tools/dist_train.sh. Without --resume a work dir that holds checkpoints
is refused; a resumed run goes on exactly as if it had never stopped. SIGTERM ends a run after its
iteration with a checkpoint, from which --resume goes on.
"""

import argparse
from collections.abc import Sequence

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.configs.loading import load_config
from classification.engine.running.training import train


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
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


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_in_one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
        train(cfg, args.resume, args.amp, args.tensorboard, args.auto_scale_lr)


if __name__ == '__main__':
    main()
