"""What the tests of serving share: a model that tells its images apart, and a server in a thread.

FastAPI's own test client needs a further package and leaves sockets out, on which much depends
here: so the tests talk with a real server on the loopback address.
"""

import http.client
import io
import json
import socket
import threading
import time
import weakref
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image

from classification.results import Scores

NAMES = ('black', 'white')


class Model:
    """Gives the grey of an image as a score, and notes what it was called with.

    Attributes:
        gate: the model waits until it is set.
        begun: how often the model was called, the first look at it left out.
        batches: the number of images of each call that has ended.
        results: weak references to all results.
        fails_with: raised instead of a result, for images as dark as 0.
    """

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.begun, self.batches, self.results, self.fails_with = -1, [], [], None

    def __call__(self, images, batch_size=1):
        self.begun += 1
        self.gate.wait()
        several = isinstance(images, list)
        images = images if several else [images]
        assert batch_size == len(images)
        results = [self._result(image) for image in images]
        self.batches.append(len(images))
        self.results += map(weakref.ref, results)
        return results if several else results[0]

    def _result(self, image):
        grey = float(image[0, 0, 0]) / 255
        if self.fails_with and not grey:
            raise self.fails_with
        return Scores(image, NAMES, [(0, 0, 0), (255, 255, 255)], np.array([1 - grey, grey]))


def grey_png(grey, size=(40, 30)):
    """The content of a PNG of one grey from 0 to 255; size is (width, height)."""
    return encoded(Image.new('RGB', size, (grey,) * 3), 'PNG')


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def grey(self):
        """What `Model` saw."""
        scores = {entry['class']: entry['score'] for entry in self.json['classes']}
        return round(255 * scores['white'])


def ask(port, method='GET', path='/health', body=None, **headers):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
    try:
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers.items()), response.read())
    finally:
        connection.close()


def predict(port, image, query='', kind='image/png'):
    """POST an image as the body."""
    return ask(port, 'POST', f'/predict{query}', image, Content_Type=kind)


class Exchange:
    """Bytes as they are, sent to a server: for what no proper client does."""

    def __init__(self, port, *parts):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=30)
        for part in parts:
            self.send(part)

    def send(self, part):
        self.socket.sendall(part)

    def answer(self):
        """The next answer, as (status, headers and body as text); ('', '') where there is none."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return Answer(response.status, dict(response.headers.items()), response.read())

    def close(self):
        self.socket.close()


@contextmanager
def served(app):
    """The port of a server in a thread, which runs an application."""
    import uvicorn

    from classification.serving.server import _listen

    listener = _listen('127.0.0.1', 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level='error', ws='none'))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        app.state.service.stop()
        server.should_exit = True
        thread.join()


def until(condition):
    """Wait for something that another thread does."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
