"""What bounds a server's memory and time."""

import math
from dataclasses import dataclass

from ..engine.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """Bounds of a server; each is at least 1, and the time above 0.

    Attributes:
        max_bytes: of a request's body.
        max_pixels: of an image, looked at before it is decoded.
        queue: requests that are read, wait, and are answered at one time; one more is refused.
        timeout: seconds from a request's first line until its prediction.
        batch: waiting images of one size that are predicted together, as far as they have no more
            than `max_pixels` together.

    Raises:
        UsageError: a value is too small.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 16_000_000
    queue: int = 32
    timeout: float = 30.0
    batch: int = 1

    def __post_init__(self) -> None:
        for name in ('max_bytes', 'max_pixels', 'queue', 'batch'):
            if getattr(self, name) < 1:
                raise UsageError(f'{name} is at least 1, not {getattr(self, name)}.')
        if not 0 < self.timeout < math.inf:
            raise UsageError(f'timeout is a number of seconds above 0, not {self.timeout}.')
