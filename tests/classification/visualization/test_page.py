"""One file, in which every string is text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from classification.visualization import page
from classification.visualization.lines import curves

EVIL = '<img src=x onerror=alert(1)> " \' & </style><script>alert(1)</script>'


class Tags(HTMLParser):
    """All elements of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def everything(name):
    """A page with a name wherever one may stand."""
    figure = curves({name: ([0, 1], [1, 2]), 'b': ([0, 1], [2, 1])}, name, name, name)
    image = Image.new('RGB', (8, 8))
    content = [
        page.paragraph(name),
        page.heading(name),
        page.code(name),
        page.folded(name, page.name_of(name)),
        page.tiles([(name, name)]),
        page.table([name, name], [[name, page.bar(0.5, name)], [None, page.bar(None, name)]]),
        page.matrix([name, 'b'], [name, 'b'], np.eye(2)),
        page.colour_key([('#000000', name)]),
        page.beside([figure, page.picture(image, name)]),
    ]
    return page.page(name, [name], [page.Section(name, content)])


@pytest.mark.parametrize('name', [EVIL, '$x_{', '猫', '\x00\x1b', '\ud800', 'العربية', '%s {0}'])
def test_a_name_adds_no_element(name):
    expected = [tag for tag, _ in Tags(everything('plain')).found]
    text = everything(name)
    tags = Tags(text).found
    # Inside a figure the number of shapes depends on the lengths of its texts.
    outside = [re.sub(r'<svg.*?</svg>', '', one, flags=re.S) for one in (text, everything('plain'))]
    one, other = ([tag for tag, _ in Tags(part).found] for part in outside)
    assert one == other
    assert {tag for tag, _ in tags} <= set(expected)
    assert not any(key.startswith('on') for _, attributes in tags for key in attributes)


def test_a_page_loads_nothing():
    text = everything('name')
    links = [
        value for _, a in Tags(text).found for key, value in a.items() if key in ('src', 'href')
    ]
    assert all(link.startswith(('data:image/jpeg;base64,', '#')) for link in links if link)
    assert "default-src 'none'" in text


def test_a_string_is_escaped_and_html_is_not():
    assert '&lt;b&gt;' in page.table(['a'], [['<b>']])
    assert '<i style' in page.table(['a'], [[page.bar(0.5, '50')]])


def test_a_long_table_is_folded():
    rows = [[f'row {i}'] for i in range(100)]
    text = page.table(['name'], rows)
    assert '75 more' in text and text.count('<tr>') == 102
    assert '<details' not in page.table(['name'], rows[:20])


@pytest.mark.parametrize('value, width', [(0.25, '25.0%'), (-1, '0.0%'), (2, '100.0%')])
def test_the_width_of_a_bar(value, width):
    assert f'width:{width}' in page.bar(value, '')


@pytest.mark.parametrize(
    'count, text', [(7, '7'), (9999, '9999'), (123_456, '123k'), (4e10, '40G')]
)
def test_large_counts_are_short(count, text):
    assert f'>{text}</td>' in page.matrix(['a'], ['a'], np.array([[count]]))


def test_a_matrix_without_counts():
    assert page.matrix(['a'], ['b'], np.zeros((1, 1))).count('<td></td>') == 1


def test_pictures_are_made_smaller():
    text = page.picture(Image.new('RGB', (2000, 1000)), side=400)
    assert 'width=400 height=200' in text
    assert len(text) < 5000
