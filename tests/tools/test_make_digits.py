"""tools/make_digits.py: its arguments, what it prints, its refusals."""

import pytest

SMALL = [
    '--train-scenes=2',
    '--val-scenes=1',
    '--scene-size=96',
    '--patch-size=32',
    '--train-renderings=1',
    '--min-height=16',
    '--max-height=32',
]


def test_command_line(script, tmp_path, capsys):
    make = script('make_digits').main
    make(['--out', str(tmp_path / 'digits'), *SMALL])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith('train: 1437 samples, ') and first.endswith('2 scenes, 1437 pictures')
    assert second.startswith('val: 360 samples, ') and second.endswith('1 scenes, 360 pictures')
    (tmp_path / 'theirs.txt').touch()
    with pytest.raises(SystemExit, match='make_digits: .* not made by make_digits'):
        make(['--out', str(tmp_path)])
    with pytest.raises(SystemExit, match='make_digits: seed and clutter must not be negative'):
        make(['--out', str(tmp_path / 'other'), '--seed=-1'])
