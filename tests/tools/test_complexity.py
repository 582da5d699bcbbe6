"""tools/complexity.py: the published parameters and FLOPs, from the committed configs."""

import json
from pathlib import Path

import pytest

# Parameters (M) and FLOPs (G) as published, at the size that the tool takes by itself.
PUBLISHED = {
    'classification/mila-t_8xb128_in1k': (24.392, 4.149),
    'classification/mila-s_8xb64_in1k': (43.015, 7.278),
    'classification/mila-b_8xb64_in1k': (95.984, 16.157),
    'detection/mask-rcnn_mila-t_fpn_1x_coco': (44, 255),
    'detection/mask-rcnn_mila-s_fpn_1x_coco': (63, 319),
    'detection/mask-rcnn_mila-b_fpn_1x_coco': (115, 502),
    'segmentation/upernet_mila-b_8xb2-160k_ade20k-512x512': (128, 1183),
}
DETECTOR = 'configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py'
DIGITS = sorted((Path(__file__).parents[2] / 'configs/quickstart').glob('*.py'))


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


@pytest.mark.parametrize('config', PUBLISHED)
def test_published(run, config):
    params, flops = PUBLISHED[config]
    result = run('complexity', f'configs/{config}.py')
    assert result['params'] / 1e6 == pytest.approx(params, rel=0.01)
    assert result['flops'] / 1e9 == pytest.approx(flops, rel=0.02)


@pytest.mark.parametrize('config', DIGITS, ids=lambda path: path.stem)
def test_parts_sum_to_the_total(run, config):
    result = run('complexity', config, '--shape', 64, 96)
    assert result['shape'] == [64, 96]
    for count in ('params', 'flops'):
        assert sum(part[count] for part in result['parts'].values()) == result[count]


def test_counts_what_runs(run):
    """A hand count: proposals and masks of the RoI head, and twice the pixels for the backbone."""
    config = 'configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py'
    proposals = ('--cfg-options', 'model.test_cfg.rpn.max_per_img=7')
    small = run('complexity', config, '--shape', 64, 64, *proposals)['parts']
    large = run('complexity', config, '--shape', 64, 128, *proposals)['parts']
    box = 7 * (64 * 49 * 256 + 256 * 256 + 256 * (11 + 4 * 10))
    mask = 7 * (2 * 14**2 * 9 * 64 * 64 + 14**2 * 4 * 64 * 64 + 28**2 * 64 * 10)
    assert small['roi_head']['flops'] == large['roi_head']['flops'] == box + mask
    assert large['backbone']['flops'] == pytest.approx(2 * small['backbone']['flops'], rel=0.01)


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
