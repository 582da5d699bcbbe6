"""classification/engine/errors.py: one printable sentence, whatever a file holds."""

import pytest
from torch._utils import ExceptionWrapper

from classification.engine.errors import CheckpointError, DataError, printable


@pytest.mark.parametrize(
    'text, expected',
    [
        ('plain – ü 日本', 'plain – ü 日本'),
        ('two\nlines\r', r'two\nlines\r'),
        ('\x1b[31mred\x07', r'\x1b[31mred\x07'),
        ('half \ud800', r'half \ud800'),
        ('right\u202eleft', r'right\u202eleft'),
    ],
)
def test_control_characters(text, expected):
    assert printable(text) == expected
    printable(text).encode()


def test_long_names_and_sentences():
    said = str(CheckpointError(f'file.pth has {"n" * 1_000_000}: save it again.'))
    assert said.startswith('file.pth has nnn') and said.endswith('nnn: save it again.')
    assert len(said) < 1000
    assert len(printable('a b ' * 1_000_000)) < 4000


def test_the_sentence_of_a_worker_of_the_data_loader():
    try:
        raise DataError('a.jpg is broken: remove it.')
    except DataError:
        wrapped = ExceptionWrapper(where='in DataLoader worker process 0')
    with pytest.raises(DataError) as caught:
        wrapped.reraise()
    assert str(caught.value) == 'a.jpg is broken: remove it.'
