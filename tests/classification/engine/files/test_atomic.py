"""engine/files/atomic.py: files are there whole or not at all."""

import errno
import hashlib

import pytest

from classification.engine.files.atomic import (
    atomic,
    file_sha256,
    remove_leftovers,
    written_once,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_text('old')
    with atomic(path) as partial:
        assert (partial.parent, partial.suffix) == (path.parent, path.suffix)
        partial.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_an_interruption_leaves_what_was_there(error, tmp_path):
    path = tmp_path / 'a.pth'
    path.write_text('old')
    with pytest.raises(error), atomic(path) as partial:
        partial.write_text('half')
        raise error
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    with pytest.raises(KeyError), atomic(tmp_path / 'a.pth') as partial:
        name = partial.name
        raise KeyError
    for left in (name, 'a.pth', '.lock'):
        (tmp_path / left).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {'a.pth', '.lock'}


def test_digest_of_a_file(tmp_path):
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / 'a').write_bytes(content)
    assert file_sha256(tmp_path / 'a') == hashlib.sha256(content).hexdigest()


def test_the_first_of_several_writers_stays(tmp_path):
    path = tmp_path / 'a.json'
    with written_once(path) as partial:
        partial.write_text('second')
        path.write_text('first')
    assert path.read_text() == 'first'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_an_interrupted_writer_leaves_nothing(error, tmp_path):
    with pytest.raises(error), written_once(tmp_path / 'a.json') as partial:
        partial.write_text('half')
        raise error
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.ENOTSUP, 'no links')

    monkeypatch.setattr('os.link', refuse)
    with written_once(tmp_path / 'a.json') as partial:
        partial.write_text('whole')
    assert (tmp_path / 'a.json').read_text() == 'whole'
