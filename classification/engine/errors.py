"""Errors that a user can cure: one sentence each, with the cure. `cli` prints them."""

from collections.abc import Sequence


class UsageError(RuntimeError):
    """A command, config or folder that cannot be used."""


class DataError(RuntimeError):
    """Data that cannot be used; the sentence names the file."""


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used."""


class Stopped(RuntimeError):
    """Training that ended early; the sentence says why, and how to go on."""


def shorten_list(items: Sequence, count: int = 5) -> str:
    """The first `count` items in one line, for a sentence."""
    return ', '.join(map(str, items[:count])) + (', …' if len(items) > count else '')
