"""serving/server.py: the address, and the end of a process under load and with a stuck model."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip('fastapi')
pytest.importorskip('uvicorn')
pytest.importorskip('python_multipart')

import uvicorn

from classification.engine.errors import UsageError
from classification.serving.app import create_app
from classification.serving.limits import Limits
from classification.serving.server import run
from tests.helpers import ROOT
from tests.serving import Model, ask, grey_png, predict, until

# A server of `Model`, which takes a while for each image, or for ever for a black one.
SLOW = """
import sys, time
from classification.serving.app import create_app
from classification.serving.limits import Limits
from classification.serving.server import run
from tests.serving import Model

class Slow(Model):
    def _result(self, image):
        time.sleep(0.02 if image[0, 0, 0] else 1000)
        return super()._result(image)

run(create_app(Slow(), Limits(queue=32, timeout=float(sys.argv[1]))), '127.0.0.1', 0)
"""


@pytest.fixture
def process():
    """A function: limit of time -> (process, port) of a server of its own."""
    processes = []

    def start(timeout):
        command = [sys.executable, '-c', SLOW, str(timeout)]
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(server)
        line = server.stdout.readline()
        assert line.startswith('Ready at http://127.0.0.1:'), server.stderr.read()
        return server, int(line.split()[2].rsplit(':', 1)[1])

    yield start
    for server in processes:
        server.kill()
        server.communicate()


def test_sigterm_under_load(process):
    server, port = process(timeout=20)
    answers, lost = [], []

    def send(first):
        for grey in range(first, 1000):
            try:
                answer = predict(port, grey_png(grey % 255 + 1))
            except OSError:
                lost.append(grey)  # nobody listens any more
                return
            answers.append((grey % 255 + 1, answer))

    with ThreadPoolExecutor(16) as pool:
        clients = [pool.submit(send, 50 * i) for i in range(16)]
        until(lambda: len(answers) > 30)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        for client in clients:
            client.result()
    right = [answer.grey == grey for grey, answer in answers if answer.status == 200]
    refused = [answer for _, answer in answers if answer.status != 200]
    assert len(right) > 30 and all(right)
    assert {answer.status for answer in refused} <= {503} and len(lost) == 16
    assert all(answer.headers['retry-after'] for answer in refused)
    assert server.stderr.read() == ''


def test_a_model_that_never_ends_does_not_keep_the_process(process):
    server, port = process(timeout=2)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(predict, port, grey_png(0)) for _ in range(2)]
        until(lambda: ask(port).json['queue'] == 1)  # so the other one has begun
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert {answer.result().status for answer in answers} == {503, 504}


@pytest.fixture
def no_server(monkeypatch):
    """Leave out what uvicorn does, and the change of the signals."""
    monkeypatch.setattr(uvicorn.Server, 'run', lambda self, sockets: sockets[0].close())
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    app = create_app(Model(), Limits())
    app.state.service.stop()
    return app


@pytest.mark.parametrize(
    'host, warned', [('127.0.0.1', False), ('localhost', False), ('0.0.0.0', True)]
)
def test_other_machines_are_warned_of(no_server, capsys, host, warned):
    run(no_server, host, 0)
    printed = capsys.readouterr()
    assert f'Ready at http://{host}:' in printed.out
    assert ('warning: everyone who reaches' in printed.err) == warned


@pytest.mark.parametrize('host, port', [('127.0.0.1', 70_000), ('192.0.2.1', 0), ('no.invalid', 0)])
def test_an_address_that_cannot_be_listened_on(no_server, host, port):
    with pytest.raises(UsageError, match='cannot be listened on .*: give another'):
        run(no_server, host, port)
