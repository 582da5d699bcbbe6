"""The command line of tools that run many trainings: their arguments, and how they end."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.cli import config_parser


def grid_parser(description: str, config: str) -> argparse.ArgumentParser:
    """A parser of what every tool over a Grid takes; `config` is the default one."""
    parser = config_parser(description, config)
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each; default: 3')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of the config>')
    parser.add_argument('--gpus', type=int, default=0, help='of this machine, for each training')
    return parser


@contextmanager
def interruptible(again: str) -> Iterator[None]:
    """Let SIGTERM end the process as Ctrl-C does, so that its jobs end too, in one sentence.

    Args:
        again: how to go on, such as 'run the study again to go on.'
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(f'error: ended; {again}'))
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(f'error: interrupted; {again}') from None
    finally:
        signal.signal(signal.SIGTERM, before)
