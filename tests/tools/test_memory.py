"""tools/memory.py: the whole at a tiny size."""

from pathlib import Path

import pytest


def test_table_and_figures(here, run, capsys):
    size = ['--sides', '2', '3', '--seeds', '1', '--steps', '1', '--tested', '8']
    run('memory', '--mixers', 'local', *size, '--work-dir', 'w')
    assert Path('w/results.md').read_text() in capsys.readouterr().out
    assert {path.name for path in Path('w').iterdir()} >= {'size.png', 'offset.png', 'runs'}


@pytest.mark.parametrize('args', [['--sides', '1'], ['--seeds', '0'], ['--steps', '0']])
def test_sizes_without_meaning_are_refused(run, capsys, args):
    with pytest.raises(SystemExit):
        run('memory', *args)
    assert 'are from 1' in capsys.readouterr().err
