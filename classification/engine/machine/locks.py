"""One process at a time writes to a folder."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .ranks import global_rank

LOCK = '.lock'


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Keep other processes that call this out of a folder, which is made where it does not exist.

    The file `.lock` names the process that has the folder. The operating system frees the lock of
    a process that died, however it died; that of another machine it may not know, so the file must
    be removed by hand where that machine was switched off. The ranks of one run share the lock of
    rank 0. On leaving, the file is removed, and so is a folder that was made here and is empty.

    Raises:
        UsageError: another process has the folder; the sentence names it.
    """
    if global_rank():
        yield
        return
    folder = Path(folder)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    file = _acquire(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _acquire(path: Path) -> int:
    """The descriptor of the lock file, locked and with this process's name in it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        free = _lock(file)
        owner = _read(file)
        if free is False or (owner and _may_live(owner, known_dead=free is True)):
            os.close(file)
            raise UsageError(_refusal(path, owner))
        if path.exists() and os.path.samestat(os.fstat(file), os.stat(path)):
            break
        os.close(file)  # its owner has just removed it
    me = dict(
        host=socket.gethostname(),
        pid=os.getpid(),
        since=datetime.now().isoformat(' ', 'seconds'),
    )
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(me).encode(), 0)
    return file


def _lock(file: int) -> bool | None:
    """Try the lock of the operating system: got it, or not, or None where there are none.

    It belongs to the process alone and not to what it forks, such as workers that outlive it.
    """
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


def _read(file: int) -> dict[str, Any]:
    """What the lock file says of its owner; nothing where it was interrupted."""
    try:
        owner = json.loads(os.pread(file, 10_000, 0))
        return {name: owner[name] for name in ('host', 'pid', 'since')}
    except (ValueError, KeyError, TypeError):
        return {}


def _may_live(owner: dict[str, Any], known_dead: bool) -> bool:
    """Whether the owner in a lock file that the operating system has not refused may be alive."""
    if owner['host'] != socket.gethostname():
        return True
    if known_dead or owner['pid'] == os.getpid():
        return False
    try:
        os.kill(int(owner['pid']), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _refusal(path: Path, owner: dict[str, Any]) -> str:
    text = f'{path.parent} is being written by another process'
    if owner:
        text += f' ({owner["pid"]} on {owner["host"]}, since {owner["since"]})'
    cure = ': wait for it, or give another folder'
    if owner and owner['host'] != socket.gethostname():
        cure += f'; if that machine runs it no more, remove {path}'
    return f'{text}{cure}.'
