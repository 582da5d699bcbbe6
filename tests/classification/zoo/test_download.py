"""Released weights: whole and checked files, from a site of this process, and what can go wrong."""

import hashlib
import http.server
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from classification.engine.errors import CheckpointError, UsageError
from classification.zoo import Release
from classification.zoo.download import fetch
from tests.helpers import served


def checkpoint():
    buffer = io.BytesIO()
    torch.save({'model': {'a': torch.arange(1000)}}, buffer)
    return buffer.getvalue()


CONTENT = checkpoint()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A web site with the weights of 'x_tiny'; `content`, `cut` and `asked` of its answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked += 1
            if site.content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header('Content-Length', str(len(site.content)))
            self.end_headers()
            self.wfile.write(site.content[: site.cut])

        def log_message(self, *args):
            pass

    monkeypatch.setenv('no_proxy', '*')
    monkeypatch.chdir(tmp_path)
    with served(Handler) as url:
        release = Release(f'{url}/f/?dl=1', Path('checkpoints/x_tiny.pth'), None)
        site = SimpleNamespace(content=CONTENT, cut=None, asked=0, release=release)
        yield site


@pytest.fixture
def get(site):
    """A function: name, folder and changes of the release -> what is fetched."""

    def get(name='x_tiny', folder='w', **changes):
        site.release = replace(site.release, **changes)
        family = SimpleNamespace(code='https://host/code')
        zoo = [
            SimpleNamespace(release=site.release, collection=family),
            SimpleNamespace(release=None),
        ]
        return fetch(name, Path(folder), zoo)

    return get


@pytest.fixture
def sentence(get):
    """A function: arguments of a call that fails -> its sentence, and nothing left behind."""

    def fail(error=CheckpointError, **changes):
        with pytest.raises(error) as failure:
            get(**changes)
        assert not [path for path in Path().rglob('*') if path.is_file()]
        return str(failure.value)

    return fail


def test_a_file_is_fetched_once(get, site, capfd):
    for _ in range(2):
        assert get().path == Path('w/x_tiny.pth')
    assert Path('w/x_tiny.pth').read_bytes() == CONTENT
    assert [path.name for path in Path('w').iterdir()] == ['x_tiny.pth']
    assert site.asked == 1
    assert str(get()) == f'w/x_tiny.pth: sha256 {DIGEST} (none is published to compare)'
    assert '100%' in capfd.readouterr().err  # the bar


def test_a_known_digest_is_compared(get, sentence):
    assert f'has sha256 {DIGEST}, not the expected' in sentence(sha256=64 * '0')
    assert str(get(sha256=DIGEST)).endswith(f'sha256 {DIGEST} (as published)')
    Path('w/x_tiny.pth').write_bytes(CONTENT + b' ')
    with pytest.raises(CheckpointError, match='w/x_tiny.pth has sha256'):
        get(sha256=DIGEST)


@pytest.mark.parametrize(
    'content, cut, message',
    [
        (b'<!DOCTYPE html><html>Sign in</html>', None, '/f/?dl=1 is a web page, not a checkpoint'),
        (b'', None, '/f/?dl=1 is empty'),
        (CONTENT, 1000, '/f/?dl=1 is truncated, damaged or not a checkpoint'),
        (None, None, '/f/?dl=1 could not be downloaded (HTTP Error 404'),
    ],
)
def test_what_is_no_checkpoint_is_not_kept(content, cut, message, site, sentence):
    site.content, site.cut = content, cut
    assert message in sentence()


def test_an_unreachable_host(sentence):
    said = sentence(url='http://127.0.0.1:9/x.pth')
    assert said.startswith('http://127.0.0.1:9/x.pth could not be downloaded (')
    assert said.endswith('by `python tools/fetch.py x_tiny` and copy it to w/x_tiny.pth.')


def test_weights_without_an_address(site, sentence, get):
    said = sentence(UsageError, url=None)
    assert said == (
        'No address of the weights x_tiny is known: get them from their authors '
        '(https://host/code) and copy them to w/x_tiny.pth.'
    )
    Path('w').mkdir()
    Path('w/x_tiny.pth').write_bytes(CONTENT)
    assert get().sha256 == DIGEST and site.asked == 0


def test_a_wrong_name(sentence):
    said = sentence(UsageError, name='x_tinny')
    assert said == 'No released weights are called x_tinny: did you mean x_tiny?'
