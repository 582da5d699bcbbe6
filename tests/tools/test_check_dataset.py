"""tools/check_dataset.py: the problems of a folder or a config, and the page."""

import html.parser
import json

import pytest

from classification.annotations.records import AnnotatedImage, Annotations
from classification.annotations.report.sheet import write_sheet
from classification.annotations.report.summary import summarise
from tests.helpers import FIXTURES, picture

ANN_FILE = 'coco/annotations/instances_train2017.json'


class Page(html.parser.HTMLParser):
    """Tags that are open, addresses that are loaded, and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.text, self.scripts = [], [], '', 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == 'script'
        self.sources += [value for name, value in attributes if name in ('src', 'href')]
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    'path',
    [
        'data/digits/coco',
        'data/digits/imagenet',
        str(FIXTURES / 'detection.py'),
        str(FIXTURES / 'segmentation.py'),
    ],
)
def test_right_data_of_each_task(path, script, here, capsys):
    script('check_dataset').main([path, '--html', 'out/sheet.html'])
    said = capsys.readouterr().out
    assert 'fatal' not in said or ' 0 fatal' in said
    assert 'zero' in said and 'train' in said
    page = Page((here / 'out' / 'sheet.html').read_text())
    assert not page.open and not page.scripts
    assert page.sources and all(source.startswith('data:image/') for source in page.sources)
    assert 'zero' in page.text and 'val images' in page.text


def test_all_problems_are_said_at_once_and_fatal_ones_end_in_1(script, own_data, capsys):
    path = own_data / ANN_FILE
    content = json.loads(path.read_text())
    for annotation in content['annotations'][:5]:
        annotation['bbox'] = [1, 1, 0, 5]
    content['annotations'][6]['category_id'] = 77
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit) as stop:
        script('check_dataset').main([str(FIXTURES / 'detection.py')])
    assert stop.value.code == 1
    said = capsys.readouterr().out
    assert said.index('fatal: 1 x annotation of an unknown class') < said.index('doubtful: 5 x box')
    assert f'{ANN_FILE}, annotation 7 (category_id 77)' in said and 'and 2 more' in said


@pytest.mark.parametrize('path', ['none', 'none.py'])
def test_nothing_to_check_is_one_sentence(path, script, here, capfd):
    with pytest.raises(SystemExit) as stop:
        script('check_dataset').main([path])
    assert stop.value.code == 1
    assert capfd.readouterr().err.startswith('error: ')


def test_names_cannot_write_into_the_page(tmp_path):
    name = '<script>alert(1)</script>&"\'\x1b[31m'
    picture(tmp_path / 'a.png')
    images = [AnnotatedImage(tmp_path / 'a.png', (40, 36), label=0)]
    annotations = Annotations('folders', tmp_path, [name], images, notes=[name])
    write_sheet(tmp_path / 'sheet.html', annotations, [], summarise(annotations))
    text = (tmp_path / 'sheet.html').read_text()
    assert '<script' not in text and '\x1b' not in text
    assert '<script>alert(1)</script>' in Page(text).text
