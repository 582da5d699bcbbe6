"""What addresses on the web hold, as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from ..errors import DataError

TIMEOUT = 60  # seconds without an answer; Python's own is none
LARGEST = 1 << 29  # bytes of what is held in memory
_BLOCK = 1 << 17  # bytes


def is_address(text: str) -> bool:
    """Whether it is one that can be fetched, not a path."""
    return text.startswith(('http://', 'https://'))


def fetch(url: str) -> bytes:
    """What an address holds, such as an image.

    Raises:
        DataError: it cannot be fetched, or is larger than LARGEST.
    """
    content = bytearray()
    try:
        with opened(url) as (_, blocks):
            for block in blocks:
                content += block
                if len(content) > LARGEST:
                    break
    except Exception as error:  # the library's are many, and a server can send anything
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise DataError(f'{url} cannot be fetched ({reason}): check the address.') from None
    if len(content) > LARGEST:
        raise DataError(f'{url} is larger than {LARGEST >> 20} MB: fetch it by hand.')
    return bytes(content)


@contextmanager
def opened(url: str) -> Iterator[tuple[int | None, Iterator[bytes]]]:
    """(number of bytes, where the server tells it; the bytes in blocks) of an address."""
    request = Request(url, headers={'User-Agent': 'mila-toolkit'})
    with urlopen(request, timeout=TIMEOUT) as answer:
        size = answer.headers.get('Content-Length')
        yield None if size is None else int(size), iter(lambda: answer.read(_BLOCK), b'')
