"""Try a server with many clients at one time: how fast it is, and whether it mixes answers up.

    python -m classification.serving.load http://127.0.0.1:8000 IMAGES… --clients 16 --requests 500

IMAGES are files, folders and globs. Each is first predicted alone; then the clients send them all
at the same time, and every answer must be, to the byte, the one that its image had alone. Exit code
1 says that one was not, or that a request failed. A server with --batch over 1 may round the last
digit of a score in another way: that counts as different.
"""

import argparse
import http.client
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from ..engine.cli import errors_in_one_sentence
from ..engine.errors import DataError, UsageError
from ..engine.prediction.sources import find_images

_SECONDS = 120.0


@dataclass
class Load:
    """What became of the requests of `try_server`.

    Attributes:
        seconds: that all took together.
        times: seconds of each request with a right answer.
        different: how many answers were not those of their images alone.
        errors: what went wrong -> how often.
    """

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    different: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def report(self) -> str:
        """The figures as lines of text."""
        middle, late = np.percentile(self.times, [50, 95]) * 1000 if self.times else (np.nan,) * 2
        wrong = ', '.join(f'{count} x {what}' for what, count in self.errors.items()) or 'none'
        return (
            f'{len(self.times)} right answers in {self.seconds:.2f} s: '
            f'{len(self.times) / self.seconds:.1f} requests/s\n'
            f'p50 {middle:.1f} ms, p95 {late:.1f} ms\n'
            f'different from the answer alone: {self.different}\n'
            f'errors: {wrong}'
        )


def try_server(url: str, images: Sequence[bytes], clients: int, requests: int) -> Load:
    """Send images to a server, each alone and then all at one time.

    Args:
        url: of the server.
        images: contents of files.
        clients: that send at one time, each on a connection of its own.
        requests: of all clients together; the images take turns.

    Raises:
        UsageError: there is no server, or it refuses an image alone.
    """
    expected = []
    for number, image in enumerate(images, start=1):
        try:
            status, answer = _Client(url).post(image)
        except OSError as error:
            raise UsageError(f'{url} does not answer ({error}): start tools/serve.py.') from None
        if status != 200:
            raise UsageError(f'{url} refuses image {number} alone ({status}): {answer.decode()}')
        expected.append(answer)
    load = Load()

    def send_share(first: int) -> None:
        client = _Client(url)
        for number in range(first, requests, clients):
            which = number % len(images)
            start = time.perf_counter()
            try:
                status, answer = client.post(images[which])
            except (OSError, http.client.HTTPException) as error:
                load.errors[type(error).__name__] += 1
                client = _Client(url)
                continue
            if status != 200:
                load.errors[f'status {status}'] += 1
            elif answer != expected[which]:
                load.different += 1
            else:
                load.times.append(time.perf_counter() - start)

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send_share, range(clients)))
    load.seconds = time.perf_counter() - start
    return load


class _Client:
    """A connection that stays open."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme != 'http' or not parts.hostname:
            raise UsageError(f'{url} is no address of a server: give one such as http://HOST:PORT.')
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
        self._path = f'{parts.path.rstrip("/")}/predict'

    def post(self, image: bytes) -> tuple[int, bytes]:
        """(status, body) of the answer."""
        self._connection.request('POST', self._path, image, {'Content-Type': 'image/*'})
        response = self._connection.getresponse()
        return response.status, response.read()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('url', metavar='URL')
    parser.add_argument('images', nargs='+', metavar='IMAGES')
    parser.add_argument('--clients', type=int, default=16, help='default: %(default)s')
    parser.add_argument('--requests', type=int, default=500, help='default: %(default)s')
    args = parser.parse_args(argv)
    if min(args.clients, args.requests) < 1:
        parser.error('--clients and --requests are at least 1')
    with errors_in_one_sentence():
        sources, _ = find_images(args.images)
        images = [Path(source.file_name).read_bytes() for source in sources]
        load = try_server(args.url, images, args.clients, args.requests)
        print(load.report())
        if load.different or load.errors:
            raise DataError('The server did not answer every request as it should, see above.')


if __name__ == '__main__':
    main()
