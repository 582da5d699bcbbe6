"""The web site of the documents: built without a warning, with all that its pages need."""

import re

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from tests.helpers import ROOT


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    # `strict` in mkdocs.yml: a warning, such as of a link that leads nowhere, is an error.
    build(load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(folder)))
    return folder


def test_every_document_is_a_page(site):
    documents = (ROOT / 'docs').rglob('*.md')
    pages = {path.relative_to(ROOT / 'docs').with_suffix('.html') for path in documents}
    for page in pages:
        assert (site / str(page).replace('README', 'index')).exists(), page


def test_nothing_comes_from_elsewhere(site):
    for page in site.rglob('*.html'):
        assert not re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*"(https?:[^"]+)', page.read_text()
        )


def test_links_to_the_code_lead_to_it(site):
    links = re.findall(r'href="(source/[^"#]+)"', (site / 'backbone.html').read_text())
    assert 'source/classification/models/staged.py.txt' in links
    assert all((site / link).exists() for link in links)
    text = (site / 'source/classification/models/staged.py.txt').read_text()
    assert text == (ROOT / 'classification/models/staged.py').read_text()


def test_the_api_shows_docstrings(site):
    text = (site / 'api/models.html').read_text()
    assert 'channels of the first stage, a multiple of 4' in text
