"""A web site to download from."""

import http.server
import threading
import types

import pytest


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
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    site = types.SimpleNamespace(
        files={}, asked=[], cut=None, url=f'http://127.0.0.1:{server.server_port}'
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()
