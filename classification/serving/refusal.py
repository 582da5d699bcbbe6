"""A request that gets no prediction: an HTTP status with a sentence that says why."""

from collections.abc import Mapping

from ..engine.errors import printable

_RETRY_SECONDS = 1


class Refusal(Exception):
    """Raised anywhere on a request's way; `app` answers with it.

    Attributes:
        status: of HTTP.
        sentence: what is wrong, and what to do about it.
        headers: of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, printable(sentence), dict(headers or {})


def busy(sentence: str) -> Refusal:
    """Of a server that has no room now; the client may come again."""
    return Refusal(503, sentence, {'Retry-After': str(_RETRY_SECONDS)})
