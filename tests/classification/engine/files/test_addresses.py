"""engine/files/addresses.py: what does not fit in memory."""

import pytest

from classification.engine.errors import DataError
from classification.engine.files import addresses


def test_what_is_held_in_memory_has_a_limit(site, monkeypatch):
    monkeypatch.setattr(addresses, 'LARGEST', 1 << 20)
    site.files = {'/fits': bytes(1 << 20), '/larger': bytes((1 << 20) + 1)}
    assert addresses.fetch(f'{site.url}/fits') == site.files['/fits']
    with pytest.raises(DataError, match='/larger is larger than 1 MB: fetch it by hand'):
        addresses.fetch(f'{site.url}/larger')
