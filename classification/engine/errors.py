"""Errors that a user can cure: one sentence each, with the cure. `cli` prints them."""

import re
from collections.abc import Sequence

# Of a name out of a file, and of a sentence, in characters; a path is at most 4096 long.
_LONGEST_NAME, _LONGEST_SENTENCE = 500, 1500


class _Sentence(RuntimeError):
    """One printable sentence, whatever the names in it hold."""

    def __init__(self, sentence: object) -> None:
        # A worker of the data loader wraps the sentence in its own traceback: the last line has it.
        text = str(sentence).strip()
        if text.startswith('Caught ') and 'Original Traceback' in text:
            text = re.sub(r'^[\w.]+: ', '', text.splitlines()[-1])
        super().__init__(printable(text))


class UsageError(_Sentence):
    """A command, config or folder that cannot be used."""


class DataError(_Sentence):
    """Data that cannot be used; the sentence names the file."""


class CheckpointError(_Sentence):
    """A checkpoint that cannot be used."""


class Stopped(_Sentence):
    """Training that ended early; the sentence says why, and how to go on."""


EXPECTED = (UsageError, DataError, CheckpointError, Stopped)


def shorten_list(items: Sequence, count: int = 5) -> str:
    """The first `count` items in one line, for a sentence."""
    return ', '.join(map(str, items[:count])) + (', …' if len(items) > count else '')


def one_line(error: Exception, length: int | None = None) -> str:
    """What an error says, in one line of at most `length` characters, for a sentence."""
    return ' '.join(str(error).split())[:length]


def printable(text: str) -> str:
    r"""Text for one line of a terminal: control characters as \x1b, long names without middle."""
    text = re.sub(
        rf'\S{{{_LONGEST_NAME + 1},}}', lambda word: _shorten(word[0], _LONGEST_NAME), text
    )
    text = _shorten(text, _LONGEST_SENTENCE)
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def _shorten(text: str, length: int) -> str:
    half = length // 2
    return text if len(text) <= length else f'{text[:half]}…{text[-half:]}'
