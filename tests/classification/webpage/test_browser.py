"""The page as people use it: in a browser, with mouse, keyboard and files."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('gradio')

from tests.browser import browser
from tests.webpage import bright, page, random_predictor

pytestmark = pytest.mark.slow

PICTURE = '#side0 .picture'


@pytest.fixture(scope='module')
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp('browser')) as started:
        yield started


@pytest.fixture
def port(tmp_path, config):
    """Of a page with the models of tests/webpage.py, and one whose attention can be asked for."""
    attentive = random_predictor(config('classification'), tmp_path)
    with page(tmp_path, {'attentive': ('classification', attentive)}) as (port, _):
        yield port


@pytest.fixture
def tab(chromium, port):
    """Of a user, whom the browser never tells of an error or of another server."""
    tab = open_tab(chromium, port)
    yield tab
    own = (f'http://127.0.0.1:{port}/', 'data:', 'blob:')
    assert tab.requests and [url for url in tab.requests if not url.startswith(own)] == []
    assert tab.errors == []


def open_tab(chromium, port, **size):
    tab = chromium.tab(f'http://127.0.0.1:{port}/page', **size)
    tab.until("document.querySelector('.chooser input')")
    return tab


def image(folder, share, size=(40, 30)):
    path = folder / f'{share}.png'
    path.write_bytes(bright(share, size))
    return path


def rows(tab, side=0):
    """Text of the rows of a viewer, once its picture is there."""
    tab.until(f"document.querySelector('#side{side} .picture[src^=data]')")
    return tab.value(f"[...document.querySelectorAll('#side{side} li')].map(i => i.innerText)")


def source(tab):
    return tab.value(f"document.querySelector('{PICTURE}').src")


def choose(tab, label, option):
    """Choose an option of a list that drops down."""
    tab.click(f'input[aria-label="{label}"]')
    options = "[...document.querySelectorAll('[role=option]')]"
    script = f"{options}.find(o => o.innerText.includes('{option}'))"
    tab.until(script)
    tab.value(f'{script}.setAttribute("data-wanted", "")')
    tab.click('[data-wanted]')


def test_a_file_is_predicted_and_the_slider_selects(tab, tmp_path):
    tab.choose_file('.chooser input', image(tmp_path, 0.8))
    assert rows(tab) == ['cat\n0.800', 'owl\n0.500']
    first = source(tab)
    tab.value("document.querySelector('input[type=range]').focus()")
    tab.press('End')
    tab.until(f"document.querySelector('{PICTURE}').src != {first!r}")
    assert rows(tab) == []
    assert tab.text('#side0 .left').startswith('Nothing: lower the threshold')
    tab.press('Home')
    tab.until("document.querySelectorAll('#side0 li').length == 2")
    assert source(tab) == first


def test_the_pointer_tells_what_is_there(tab, tmp_path):
    tab.click('.examples button')
    rows(tab)
    for share, text in {(0.25, 0.5): 'cat 0.80', (0.75, 0.5): 'owl 0.50'}.items():
        tab.hover(PICTURE, share)
        assert tab.text('#side0 .tip') == text
    tab.hover('h2')
    tab.until("document.querySelector('#side0 .tip').hidden")


def test_classes_are_chosen(tab):
    tab.click('.examples button')
    rows(tab)
    choose(tab, 'Classes (none chosen: all)', 'owl')
    tab.until("document.querySelectorAll('#side0 li').length == 1")
    assert rows(tab) == ['owl\n0.500']


def test_two_models(tab):
    tab.click('.examples button')
    rows(tab)
    choose(tab, 'Beside it', 'other')
    assert rows(tab, 1) == rows(tab) == ['cat\n0.800', 'owl\n0.500']
    assert tab.text('#side1 .model') == 'other'


def test_a_point_is_explained(tab):
    tab.value(
        "[...document.querySelectorAll('input[type=radio]')]"
        ".find(i => i.value == 'classification').click()"
    )
    tab.until("document.querySelector('input[aria-label=Model]').value == 'grey'")
    choose(tab, 'Model', 'attentive')
    tab.click('.examples button')
    rows(tab)
    tab.click(PICTURE, (0.25, 0.75))
    tab.until("document.querySelector('#side0 .explained img').naturalWidth > 400")
    for side, share in dict(left=25, top=75).items():
        mark = tab.value(f"document.querySelector('#side0 .mark').style.{side}")
        assert abs(float(mark.removesuffix('%')) - share) < 1


def test_a_file_that_is_no_image(chromium, port, tmp_path):
    tab = open_tab(chromium, port)
    damaged = tmp_path / 'damaged.png'
    content = image(tmp_path, 0.4).read_bytes()
    for bad, sentence in {
        b'<svg onload="alert(1)">': 'no image that can be read',
        b'': 'no image',
    }.items():
        damaged.write_bytes(bad)
        tab.choose_file('.chooser input', damaged)
        assert sentence in tab.text('.chooser .message')
        tab.value("document.querySelector('.chooser .message').innerText = ''")
    damaged.write_bytes(content[:45] + b'damaged' + content[52:])
    tab.choose_file('.chooser input', damaged)
    assert tab.text('#side0 .message').startswith('The image')
    Image.fromarray(np.zeros((101, 100, 3), np.uint8)).save(damaged)
    tab.choose_file('.chooser input', damaged)
    assert '10000' in tab.text('.chooser .message')
    tab.choose_file('.chooser input', image(tmp_path, 0.6))
    assert rows(tab)[0] == 'cat\n0.600'


def test_two_users_at_one_time(chromium, port, tmp_path):
    tabs = [open_tab(chromium, port) for _ in range(2)]
    for tab, share in zip(tabs, (0.4, 0.8), strict=True):
        tab.choose_file('.chooser input', image(tmp_path, share))
    assert [rows(tab)[:1] for tab in tabs] == [['owl\n0.500'], ['cat\n0.800']]
    for tab in tabs:
        tab.value("document.querySelector('input[type=range]').focus()")
        tab.press('Home')
    for tab, score in zip(tabs, ('0.400', '0.800'), strict=True):
        tab.until(f"document.querySelector('#side0 .rows').innerText.includes('cat\\n{score}')")


def test_a_telephone(chromium, port):
    tab = open_tab(chromium, port, width=390, height=844)
    tab.click('.examples button')
    rows(tab)
    assert tab.value('document.documentElement.scrollWidth') <= 390
    assert tab.value(f"document.querySelector('{PICTURE}').getBoundingClientRect().width") > 250
