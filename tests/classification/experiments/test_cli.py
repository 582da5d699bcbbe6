"""How tools over many trainings end: SIGTERM and Ctrl-C alike, with one sentence."""

import os
import signal

import pytest

from classification.experiments.cli import grid_parser, interruptible


def test_sigterm_ends_with_the_way_on():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match='error: ended; run it again.'):
        with interruptible('run it again.'):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
    assert signal.getsignal(signal.SIGTERM) == before


def test_so_does_ctrl_c():
    with pytest.raises(SystemExit, match='error: interrupted; run it again.'):
        with interruptible('run it again.'):
            raise KeyboardInterrupt


def test_arguments_of_a_grid():
    args = grid_parser('text', 'some.py').parse_args(['--seeds', '5', '--cfg-options', 'a.b=1'])
    assert (args.config, args.seeds, args.gpus, args.work_dir) == ('some.py', 5, 0, None)
    assert args.cfg_options == {'a.b': 1}
