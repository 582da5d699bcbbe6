"""An image to predict, with a name for its results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files.addresses import fetch, is_address
from ..images import read_image, to_image


@dataclass(frozen=True, slots=True)
class Source:
    """An image to predict, a file or an address.

    Attributes:
        file_name: what results call it.
        name: its path in an output folder, without suffix.
    """

    file_name: str
    name: Path

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB, see `read_image`."""
        if is_address(self.file_name):
            return read_image(fetch(self.file_name), self.file_name)
        return read_image(self.file_name)


@dataclass(frozen=True, slots=True)
class Given(Source):
    """An image that is there already, in any form that `to_image` takes."""

    image: Any

    def read(self) -> np.ndarray:
        if isinstance(self.image, str) and is_address(self.image):
            return read_image(fetch(self.image), self.image)
        return to_image(self.image)


@dataclass(frozen=True, slots=True)
class Content(Source):
    """An image whose file has been read, such as one out of a tar file."""

    content: bytes

    def read(self) -> np.ndarray:
        return read_image(self.content, self.file_name)


@dataclass(frozen=True, slots=True)
class Refused(Source):
    """What was given as an image and is not read; the reason is the end of a sentence."""

    reason: str

    def read(self) -> np.ndarray:
        raise DataError(f'{self.file_name} {self.reason}.')
