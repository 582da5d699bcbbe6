"""Images on disk for the tests of datasets."""

import pytest

from tests.helpers import picture


@pytest.fixture
def folder(tmp_path):
    """Images of three classes in a folder of its own."""
    for i, name in enumerate(
        [
            'b/2.png',
            'b/10.JPEG',
            'a/deep/1.jpg',
            'a/2.jpg',
            'c/' + 120 * 'x' + '.png',
            '.cache/1.png',
        ]
    ):
        picture(tmp_path / 'train' / name, seed=i)
    (tmp_path / 'train/b/notes.txt').write_text('no image')
    return tmp_path / 'train'
