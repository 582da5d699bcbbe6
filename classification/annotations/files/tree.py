"""The files of a folder as people have it, without what systems leave behind."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from ...engine.images import IMAGE_SUFFIXES

# Names of folders and lists that say which split their files are of.
SPLIT_NAMES = {
    **dict.fromkeys(('train', 'training', 'train2017', 'train2014'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation', 'dev', 'val2017', 'val2014'), 'val'),
    **dict.fromkeys(('test', 'testing', 'test2017', 'test2014'), 'test'),
}
# What macOS and Windows put beside the files.
_LEFTOVERS = ('__macosx', 'thumbs.db', 'desktop.ini')


def is_image(path: PurePath) -> bool:
    """Whether a file's suffix is that of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def files_below(root: Path) -> Iterator[Path]:
    """Files in `root` and its folders, by name; hidden ones and what systems leave are left out.

    Links to folders are followed, each folder once. Of a file it is the file itself.
    """
    if root.is_file():
        yield root
        return
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(filter(_is_meant, folders))
        for name in sorted(filter(_is_meant, names)):
            file = Path(folder, name)
            if file.is_file():  # no pipe, which would be waited for, and no broken link
                yield file


def _is_meant(name: str) -> bool:
    return not name.startswith('.') and name.lower() not in _LEFTOVERS


def split_of(path: PurePath) -> str | None:
    """'train', 'val' or 'test' as the innermost folder of a path says, None if none does.

    The path is one below the root of the data: what lies above says nothing.
    """
    found = (SPLIT_NAMES.get(part.lower()) for part in reversed(path.parts[:-1]))
    return next(filter(None, found), None)


def relative(path: Path, root: Path) -> Path:
    """`path` below `root`, or as it is where it lies elsewhere."""
    return path.relative_to(root) if path.is_relative_to(root) else path
