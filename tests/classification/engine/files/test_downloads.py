"""engine/files/downloads.py: checkpoints by their address."""

import hashlib

import pytest
from safetensors.torch import save_file

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_weights
from tests.checkpoints import (
    OTHER,
    STATE,
    assert_loads,
    assert_refused,
)


def test_addresses_are_downloaded_once(site, save):
    content = save({'model': STATE}).read_bytes()
    other = save({'model': OTHER}).read_bytes()
    site.files = {'/f/1a/?dl=1': content, '/v1/a.pth': content, '/v2/a.pth': other}
    for _ in range(2):
        assert_loads(f'{site.url}/f/1a/?dl=1')
        assert_loads(f'{site.url}/v1/a.pth', sha256=hashlib.sha256(content).hexdigest())
        assert_loads(f'{site.url}/v2/a.pth', OTHER)
    assert site.asked == list(site.files)


def test_an_address_of_safetensors(site, tmp_path):
    save_file(STATE, tmp_path / 'file.safetensors')
    site.files['/a.safetensors?download=true'] = (tmp_path / 'file.safetensors').read_bytes()
    assert_loads(f'{site.url}/a.safetensors?download=true')


def test_bad_downloads_are_not_kept(site, save):
    url = f'{site.url}/weights.pth'
    content = save({'model': STATE}).read_bytes()
    site.files['/weights.pth'] = b'<html>Please sign in</html>'
    with pytest.raises(CheckpointError, match='weights.pth is a web page'):
        read_weights(url)
    site.files['/weights.pth'] = content
    with pytest.raises(CheckpointError, match='not the expected abc'):
        read_weights(url, sha256='abc')
    site.cut = len(content) // 2
    with pytest.raises(CheckpointError, match='truncated|could not be downloaded'):
        read_weights(url)
    site.cut = None
    assert_loads(url)


def test_unreachable_addresses(site):
    assert_refused(f'{site.url}/none.pth', r'could not be downloaded \(HTTP Error 404')
    assert_refused('http://127.0.0.1:9/a.pth', r'could not be downloaded \(.*refused')


@pytest.mark.parametrize('url', ['http://[::1', 'http://[x]/a.pth', 'http:///a.pth', 'https://'])
def test_what_is_no_address(site, url):
    assert_refused(url, 'is no address|could not be downloaded')


def test_long_addresses(site):
    with pytest.raises(CheckpointError, match='could not be downloaded') as caught:
        read_weights(f'{site.url}/{"x" * 5000}.pth')
    assert len(str(caught.value)) < 2000
