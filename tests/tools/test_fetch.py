"""tools/fetch.py: a file where configs look for it, one line, and one sentence where it fails."""

import hashlib
from pathlib import Path

import pytest
import torch

from classification import zoo


@pytest.fixture
def tool(script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return script('fetch')


def test_a_file_that_is_there_is_checked_and_named(tool, capfd):
    Path('checkpoints').mkdir()
    path = Path('checkpoints/mila_tiny.pth')
    torch.save({'model': {'a': torch.arange(1000)}}, path)
    assert tool.main(['mila_tiny']) == path
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    line = f'{path}: sha256 {digest} (none is published to compare)\n'
    assert capfd.readouterr().out == line
    path.rename('mila_tiny.pth')
    assert tool.main(['mila_tiny', '--out', '.']) == Path('mila_tiny.pth')


@pytest.mark.parametrize(
    'name, message',
    [
        ('mila_tinny', 'No released weights are called mila_tinny: did you mean mila_tiny'),
        ('mila_tiny', 'checkpoints/mila_tiny.pth is truncated, damaged or not a checkpoint'),
    ],
)
def test_what_fails_is_one_sentence(tool, name, message, capfd):
    Path('checkpoints').mkdir()
    Path('checkpoints/mila_tiny.pth').write_bytes(b'no checkpoint')
    with pytest.raises(SystemExit) as stop:
        tool.main([name])
    assert stop.value.code == 1
    err = capfd.readouterr().err
    assert err.count('error: ') == 1 and 'Traceback' not in err
    assert err.split('error: ')[1].startswith(message)


def test_what_the_zoo_offers():
    names = zoo.released(zoo.models())
    assert {'mila_tiny', 'mila_small', 'mila_base', 'vmamba_tiny_s2l5'} <= names.keys()
