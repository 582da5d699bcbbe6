"""tools/fetch.py: whole and checked files, from a site of this process, and what can go wrong."""

import hashlib
import http.server
import io
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).parents[2]


def checkpoint():
    buffer = io.BytesIO()
    torch.save({'model': {'a': torch.arange(1000)}}, buffer)
    return buffer.getvalue()


CONTENT = checkpoint()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def tool(script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return script('fetch')


@pytest.fixture
def site(tool, monkeypatch):
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
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    release = SimpleNamespace(
        name='x_tiny',
        url=f'http://127.0.0.1:{server.server_port}/f/?dl=1',
        checkpoint=Path('checkpoints/x_tiny.pth'),
        sha256=None,
    )
    site = SimpleNamespace(content=CONTENT, cut=None, asked=0, release=release)
    entries = [SimpleNamespace(release=release), SimpleNamespace(release=None)]
    monkeypatch.setattr(tool, 'models', lambda: entries)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sentence(tool, capfd):
    """A function: arguments of a call that fails -> its one sentence, and nothing left behind."""

    def fail(*args):
        with pytest.raises(SystemExit) as stop:
            tool.main([*args])
        assert stop.value.code == 1
        assert not [path for path in Path().rglob('*') if path.is_file()]
        return capfd.readouterr().err.split('error: ')[1].strip()

    return fail


def test_a_file_is_fetched_once_to_where_configs_look(tool, site, capfd):
    for _ in range(2):
        assert tool.main(['x_tiny']) == Path('checkpoints/x_tiny.pth')
    assert Path('checkpoints/x_tiny.pth').read_bytes() == CONTENT
    assert [path.name for path in Path('checkpoints').iterdir()] == ['x_tiny.pth']
    assert site.asked == 1
    out, err = capfd.readouterr()
    assert f'sha256 {DIGEST} (none is published to compare)' in out
    assert '100%' in err  # the bar


def test_a_known_digest_is_compared(tool, site, sentence, capfd):
    site.release.sha256 = 64 * '0'
    assert f'has sha256 {DIGEST}, not the expected' in sentence('x_tiny', '--out', 'w')
    site.release.sha256 = DIGEST
    assert tool.main(['x_tiny', '--out', 'w']).parent == Path('w')
    assert '(as published)' in capfd.readouterr().out
    Path('w/x_tiny.pth').write_bytes(CONTENT + b' ')
    with pytest.raises(SystemExit):
        tool.main(['x_tiny', '--out', 'w'])
    assert 'w/x_tiny.pth has sha256' in capfd.readouterr().err


@pytest.mark.parametrize(
    'content, cut, message',
    [
        (b'<!DOCTYPE html><html>Sign in</html>', None, '/f/?dl=1 is a web page, not a checkpoint'),
        (b'', None, '/f/?dl=1 is empty'),
        (CONTENT, 1000, '/f/?dl=1 is truncated or not a checkpoint'),
        (None, None, '/f/?dl=1 cannot be fetched (HTTP Error 404'),
    ],
)
def test_what_is_no_checkpoint_is_not_kept(content, cut, message, site, sentence):
    site.content, site.cut = content, cut
    assert message in sentence('x_tiny')


def test_an_unreachable_host(site, sentence):
    site.release.url = 'http://127.0.0.1:9/x.pth'
    said = sentence('x_tiny')
    assert said.startswith('http://127.0.0.1:9/x.pth cannot be fetched (')
    assert said.endswith('or download it by hand to checkpoints/x_tiny.pth.')


def test_a_wrong_name(site, sentence):
    assert 'weights are called x_tinny: did you mean x_tiny?' in sentence('x_tinny')


def test_what_the_zoo_offers(tool):
    names = tool.released(tool.models())
    assert {'mila_tiny', 'mila_small', 'mila_base', 'vmamba_tiny_s2l5'} <= names.keys()
