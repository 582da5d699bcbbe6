"""Sizes as text."""

import argparse

import pytest

from classification.benchmark.sizes import image_size, size_text


def test_square_and_other_sizes():
    assert image_size('224') == (224, 224) and image_size('800x1280') == (800, 1280)
    assert size_text((800, 1280)) == '800x1280'


@pytest.mark.parametrize('text', ['0', '224x', 'large', '1x2x3', '-1', ''])
def test_other_texts_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match='is no size such as 224 or 800x1280'):
        image_size(text)
