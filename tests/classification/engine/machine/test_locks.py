"""engine/machine/locks.py: a folder has one writer, and none that is dead."""

import json
import os
import signal
import socket

import pytest

from classification.engine.errors import UsageError
from classification.engine.machine import locks
from classification.engine.machine.locks import locked

HERE = socket.gethostname()


@pytest.fixture
def holder():
    """A function: folder -> pid of a process that has locked it."""
    pids = []

    def hold(folder):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            with locked(folder):
                os.write(write, b'x')
                signal.pause()
        pids.append(pid)
        os.read(read, 1)
        return pid

    yield hold
    for pid in pids:
        kill(pid)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def test_a_second_writer_is_refused_by_name(tmp_path, holder):
    pid = holder(tmp_path / 'w')
    for _ in range(2):  # and being refused does not free it
        with pytest.raises(UsageError, match=f'w is being written .* [(]{pid} on {HERE}, since 2'):
            with locked(tmp_path / 'w'):
                raise AssertionError


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path, holder):
    kill(holder(tmp_path))
    assert (tmp_path / '.lock').exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / '.lock').read_text())['pid'] == os.getpid()
    assert not list(tmp_path.iterdir())


def test_a_forked_worker_does_not_keep_it(tmp_path):
    with locked(tmp_path):
        worker = os.fork()
        if not worker:
            signal.pause()
    try:
        with locked(tmp_path):
            pass
    finally:
        kill(worker)


@pytest.mark.parametrize(
    'owner, refused',
    [
        (dict(host='elsewhere', pid=1, since='2026-01-01'), True),
        (dict(host=HERE, pid=1, since='2026-01-01'), False),
        (dict(host=HERE), False),
        ([], False),
        ('', False),
    ],
)
def test_what_is_left_in_the_file(owner, refused, tmp_path):
    path = tmp_path / '.lock'
    path.write_text(json.dumps(owner) if owner != '' else '')
    if not refused:
        with locked(tmp_path):
            pass
        return
    with pytest.raises(UsageError, match=f'if that machine runs it no more, remove {path}'):
        with locked(tmp_path):
            pass
    path.unlink()
    with locked(tmp_path):
        pass


@pytest.mark.parametrize('pid, refused', [(1, True), (2**22 + 1, False)])
def test_a_file_system_without_locks(pid, refused, tmp_path, monkeypatch):
    def lockf(*args):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(locks.fcntl, 'lockf', lockf)
    (tmp_path / '.lock').write_text(json.dumps(dict(host=HERE, pid=pid, since='')))
    if refused:
        with pytest.raises(UsageError, match='being written'), locked(tmp_path):
            pass
    else:
        with locked(tmp_path):
            pass


def test_a_folder_that_was_made_and_stayed_empty_is_removed(tmp_path):
    with locked(tmp_path / 'a/b'):
        assert (tmp_path / 'a/b/.lock').exists()
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), locked(tmp_path / 'a/b'):
        (tmp_path / 'a/b/file').touch()
        raise KeyError
    assert [path.name for path in (tmp_path / 'a/b').iterdir()] == ['file']


def test_ranks_share_the_lock_of_the_first(tmp_path, holder, monkeypatch):
    holder(tmp_path)
    monkeypatch.setenv('RANK', '1')
    with locked(tmp_path):
        pass
