"""tools/test.py: the metrics of training's own validation, TTA, pictures, bad checkpoints."""

import json

import pytest
import torch
from PIL import Image

TASKS = ('classification', 'detection', 'segmentation')
LAST = dict(classification='epoch_2.pth', detection='epoch_2.pth', segmentation='iter_6.pth')


def validation(folder):
    """What the training wrote after its last validation."""
    lines = [
        json.loads(line)
        for file in sorted(folder.glob('*/vis_data/scalars.json'))
        for line in file.read_text().splitlines()
    ]
    return [line for line in lines if 'loss' not in line][-1]


@pytest.mark.parametrize('task', TASKS)
def test_a_checkpoint_has_the_metrics_of_its_training(task, trained, run, here, capfd, contents):
    folder = trained(task)
    before = contents(folder)
    # In the folder of the training, as by default: nothing there may change.
    metrics = run(
        'test', task, folder / LAST[task], '--out', 'a/metrics.json', '--show-dir', 'pictures',
        '--work-dir', folder)  # fmt: skip
    expected = validation(folder)
    assert metrics
    for name, value in metrics.items():
        assert value == pytest.approx(expected[name], abs=1e-4)
    out = capfd.readouterr().out.splitlines()[-len(metrics) :]
    assert [line.split()[0] for line in out] == list(metrics)
    assert json.loads((here / 'a/metrics.json').read_text()) == pytest.approx(metrics)
    after = contents(folder)
    assert {name: after[name] for name in before} == before

    pictures = sorted((here / 'pictures').iterdir())
    assert len(pictures) == (30 if task == 'classification' else 4)
    with Image.open(pictures[0]) as picture:
        assert picture.size == (640, 320)  # enlarged, the truth and the prediction


def test_tta_changes_the_prediction_and_needs_the_config(trained, run, fails, here):
    checkpoint = trained('segmentation') / 'iter_6.pth'
    plain = run('test', 'segmentation', checkpoint)
    assert run('test', 'segmentation', checkpoint, '--tta') != plain
    sentence = fails('test', 'detection', trained('detection') / 'epoch_2.pth', '--tta')
    assert 'tta_model and tta_pipeline' in sentence and 'detection.py' in sentence


def other_size(path):
    torch.save({'state_dict': {'decode_head.conv_seg.weight': torch.zeros(3, 3, 1, 1)}}, path)


def refused(path):
    class Evil:
        def __reduce__(self):
            return eval, ("open('hacked', 'w')",)

    torch.save({'state_dict': {'x': torch.zeros(1)}, 'meta': Evil()}, path)


@pytest.mark.parametrize(
    'make, expected',
    [
        (lambda path: None, 'Checkpoint model.pth does not exist'),
        (lambda path: path.write_text('<html>Not found</html>'), 'model.pth is a web page'),
        (lambda path: path.write_bytes(b'PK\x03\x04 half'), 'model.pth is truncated or not'),
        (other_size, 'model.pth [state_dict] does not fit EncoderDecoder'),
        (refused, 'model.pth holds eval, which may run code'),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence(make, expected, fails, here):
    make(here / 'model.pth')
    assert expected in fails('test', 'segmentation', 'model.pth')
    assert not (here / 'hacked').exists()


def test_the_test_set_is_checked_first(fails, here):
    sentence = fails('test', 'segmentation', 'none.pth', '--cfg-options',
                     'test_dataloader.dataset.data_root=data/coco')  # fmt: skip
    assert sentence.startswith('data/coco/images/validation does not exist: COCO goes to')


def test_out_takes_json_only(run, here, capfd):
    with pytest.raises(SystemExit):
        run('test', 'segmentation', 'none.pth', '--out', 'results.pkl')
    assert '--out takes a .json file' in capfd.readouterr().err
