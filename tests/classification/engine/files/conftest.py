"""A web site to download from."""

import http.server
import types

import pytest

from tests.helpers import served


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A web site of this process: `site.files` by path, `site.asked` the requests made."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append(self.path)
            content = site.files.get(self.path)
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content[: site.cut])

        def log_message(self, *args):
            pass

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('no_proxy', '*')
    with served(Handler) as url:
        site = types.SimpleNamespace(files={}, asked=[], cut=None, url=url)
        yield site
