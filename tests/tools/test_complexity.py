"""tools/complexity.py: its table, its file, its refusals."""

import json

import pytest

DETECTOR = 'configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py'


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def test_table_and_json(run, tmp_path, capsys):
    file = tmp_path / 'new' / 'counts.json'
    result = run('complexity', DETECTOR, '--json', file)
    assert json.loads(file.read_text()) == result
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:6]] == [*result['parts'], 'total']
    assert '44.031 M' in lines[5]
    assert '800x1280' in lines[6]


@pytest.mark.parametrize(
    'args, sentence',
    [
        (['configs/nowhere.py'], 'configs/nowhere.py does not exist'),
        (['configs/_base_/schedules/digits.py'], 'digits.py has no model'),
        ([DETECTOR, '--shape', 8, 640], '8x640 is too small'),
        ([DETECTOR, '--cfg-options', 'model.backbone.depth=50'], 'unexpected keyword'),
    ],
)
def test_errors(fails, args, sentence):
    assert sentence in fails('complexity', *args)
