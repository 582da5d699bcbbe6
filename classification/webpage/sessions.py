"""What each user of the page has in memory: an image, and what the models found in it."""

import asyncio
from dataclasses import dataclass, field

from ..results import ClassMap, Instances, Result


@dataclass(frozen=True)
class Shown:
    """A model's answer for the image of a session.

    Attributes:
        model: its name.
        facts: about it and the prediction, for people.
        result: what it found, None where it has refused.
        message: why it has refused.
    """

    model: str
    facts: str = ''
    result: Result | None = None
    message: str = ''


@dataclass
class Session:
    """One user's page.

    Attributes:
        content: of the image file.
        shown: the answer of the first model and of that beside it.
        turn: held by what changes the session, so that the last wish is answered last.
    """

    content: bytes = b''
    shown: list[Shown | None] = field(default_factory=lambda: [None, None])
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        results = [shown.result for shown in self.shown if shown and shown.result]
        return len(self.content) + sum(map(_size, results))


class Sessions:
    """The sessions by their keys.

    Args:
        most_bytes: of all sessions together; beyond that, the one that was used least lately is
            forgotten, whose user is asked for the image again. That used last is always kept.
        most: the number of sessions.
    """

    def __init__(self, most_bytes: int = 2**29, most: int = 1000):
        self._most_bytes, self._most = most_bytes, most
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __getitem__(self, key: str) -> Session:
        """The session of a key, a new one where there is none."""
        session = self._sessions.pop(key, None) or Session()
        self._sessions[key] = session
        sizes = {key: session.size for key, session in self._sessions.items()}
        for oldest in [*self._sessions][:-1]:
            if sum(sizes.values()) <= self._most_bytes and len(sizes) <= self._most:
                break
            del self._sessions[oldest], sizes[oldest]
        return session

    def forget(self, key: str) -> None:
        """Drop the session of a user who has left."""
        self._sessions.pop(key, None)


def _size(result: Result) -> int:
    size = result.image.nbytes
    if isinstance(result, ClassMap):
        size += result.map.nbytes
    if isinstance(result, Instances):
        size += sum(mask.part.nbytes for mask in result.cut_masks or ())
    return size
