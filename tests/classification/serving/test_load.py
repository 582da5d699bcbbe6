"""serving/load.py: the load test, and that it finds what is wrong."""

import pytest

pytest.importorskip('fastapi')
pytest.importorskip('uvicorn')
pytest.importorskip('python_multipart')

from classification.engine.errors import UsageError
from classification.serving import load
from classification.serving.app import create_app
from classification.serving.limits import Limits
from tests.serving import Model, grey_png, served

IMAGES = [grey_png(grey) for grey in (10, 20, 30)]


class Forgetful(Model):
    """Gives the answer of another image now and then."""

    def _result(self, image):
        if self.begun % 7 == 6:
            image = image * 0 + 99
        return super()._result(image)


@pytest.fixture
def server(request):
    with served(create_app(request.param, Limits())) as port:
        yield f'http://127.0.0.1:{port}'


@pytest.mark.parametrize('server', [Model()], indirect=True)
def test_a_server_that_answers_right(server, tmp_path, capsys):
    for number, image in enumerate(IMAGES):
        (tmp_path / f'{number}.png').write_bytes(image)
    load.main([server, str(tmp_path), '--clients', '16', '--requests', '50'])
    printed = capsys.readouterr().out
    assert printed.startswith('50 right answers in') and 'requests/s' in printed
    assert 'p50' in printed and 'p95' in printed
    assert 'different from the answer alone: 0\nerrors: none' in printed


@pytest.mark.parametrize('server', [Forgetful()], indirect=True)
def test_answers_of_other_images_are_found(server, tmp_path, capsys):
    (tmp_path / 'a.png').write_bytes(IMAGES[0])
    with pytest.raises(SystemExit) as stop:
        load.main([server, str(tmp_path), '--clients', '1', '--requests', '21'])
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert 'different from the answer alone: 3' in printed.out
    assert 'error: The server did not answer every request' in printed.err


@pytest.mark.parametrize('server', [Model()], indirect=True)
def test_refusals_are_counted(server, monkeypatch):
    calls = []

    def fail_at_times(self, image):
        calls.append(image)
        return (503, b'') if len(calls) in (5, 8) else (200, image)

    monkeypatch.setattr(load._Client, 'post', fail_at_times)
    found = load.try_server(server, IMAGES, clients=1, requests=9)
    assert len(found.times) == 7 and found.errors == {'status 503': 2} and not found.different
    assert 'errors: 2 x status 503' in found.report()


@pytest.mark.parametrize('server', [Model()], indirect=True)
def test_mistakes(server):
    with pytest.raises(UsageError, match=r'refuses image 2 alone \(415\)'):
        load.try_server(server, [IMAGES[0], b'bad'], 1, 1)
    with pytest.raises(UsageError, match='does not answer .*: start tools/serve.py'):
        load.try_server('http://127.0.0.1:1', IMAGES, 1, 1)
    with pytest.raises(UsageError, match='is no address of a server'):
        load.try_server('127.0.0.1', IMAGES, 1, 1)
