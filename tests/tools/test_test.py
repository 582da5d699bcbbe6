"""tools/test.py: the metrics of training's own validation, TTA, pictures, bad checkpoints."""

import json
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from timm.data import create_transform

from classification.classifier import ImageClassifier
from classification.engine.weights.formats import read_weights
from tests.helpers import LAST

VALIDATION = Path('data/digits/imagenet/val')
TASKS = ('classification', 'detection', 'segmentation')


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
        'test',
        task,
        folder / LAST[task],
        '--out',
        'a/metrics.json',
        '--show-dir',
        'pictures',
        '--work-dir',
        folder,
    )
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
        # Enlarged: the truth, the prediction and, of a segmentation, the wrong pixels.
        assert picture.size == ((960 if task == 'segmentation' else 640), 320)


def test_both_sets_of_a_file_in_one_pass(trained, run, here, capfd, monkeypatch):
    """The metrics of training's own validation, of its weights and of their average."""
    folder = trained('recipe')
    opened, load = [], torch.load
    monkeypatch.setattr(torch, 'load', lambda path, **kw: opened.append(path) or load(path, **kw))
    metrics = run('test', 'recipe', folder / 'epoch_4.pth')
    assert len(opened) == 1
    expected = validation(folder)
    assert set(metrics) == {f'accuracy/{name}' for name in ('top1', 'top5', 'ema_top1', 'ema_top5')}
    for name, value in metrics.items():
        assert value == pytest.approx(expected[name], abs=1e-4), name


def test_the_sets_of_an_official_file(trained, run, here):
    """One says the most frequent class of all images, the other the rarest."""
    counts = [len(list(folder.iterdir())) for folder in sorted(VALIDATION.iterdir())]
    state = read_weights(trained('classification') / 'epoch_2.pth').state_dict
    sets = {}
    for name, count in (('model', max(counts)), ('state_dict_ema', min(counts))):
        sets[name] = {**state, 'backbone.head.weight': torch.zeros(10, 64)}
        sets[name]['backbone.head.bias'] = torch.eye(10)[counts.index(count)]
    torch.save(sets, 'both.pth')
    metrics = run('test', 'classification', 'both.pth')
    assert metrics['accuracy/top1'] == pytest.approx(100 * max(counts) / sum(counts))
    assert metrics['accuracy/ema_top1'] == pytest.approx(100 * min(counts) / sum(counts))
    torch.save(sets['model'], 'one.pth')
    assert set(run('test', 'classification', 'one.pth')) == {'accuracy/top1', 'accuracy/top5'}


def test_the_average_of_a_dense_model_is_evaluated_alone(trained, run, here):
    checkpoint = torch.load(trained('segmentation') / 'iter_6.pth', weights_only=True)
    noise = {f'module.{k}': torch.zeros_like(v) for k, v in checkpoint['state_dict'].items()}
    torch.save(dict(state_dict=checkpoint['state_dict'], ema_state_dict=noise), 'both.pth')
    metrics = run('test', 'segmentation', 'both.pth')
    assert metrics == run('test', 'segmentation', trained('segmentation') / 'iter_6.pth')


def test_any_resolution_and_crop(trained, run, here, monkeypatch):
    """The images are resized to size / crop and the centre is taken, as timm evaluates."""
    checkpoint = trained('classification') / 'epoch_2.pth'
    seen = []
    predict = ImageClassifier.predict
    monkeypatch.setattr(
        ImageClassifier, 'predict', lambda *a: seen.append(a[1].clone()) or predict(*a)
    )
    run('test', 'classification', checkpoint, '--input-size', '48', '--crop-pct', '0.8')
    path = min(VALIDATION.glob('*/*'), key=str)
    with Image.open(path) as image:
        expected = create_transform(48, crop_pct=0.8)(image.convert('RGB'))
    torch.testing.assert_close(seen[0][0], expected)
    seen.clear()
    run('test', 'classification', checkpoint, '--crop-pct', '0.5')
    assert seen[0].shape[2:] == (32, 32)


def test_images_in_an_archive(trained, run, here):
    """The metrics are those of the folder, and pictures are drawn from the archive too."""
    with tarfile.open('val.tar', 'w') as file:
        file.add(VALIDATION, '.')
    arguments = ('test', 'classification', trained('classification') / 'epoch_2.pth')
    metrics = run(
        *arguments,
        '--show-dir',
        'pictures',
        '--cfg-options',
        'test_dataloader.dataset.type=ImageArchive',
        'test_dataloader.dataset.data_root=val.tar',
    )
    assert metrics == run(*arguments, '--show-dir', 'expected')
    assert contents_of('pictures') == contents_of('expected')


def contents_of(folder):
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def test_sizes_that_do_not_suit(trained, fails, here):
    sentence = fails(
        'test', 'classification', trained('classification') / 'epoch_2.pth', '--input-size', '24'
    )
    assert '--input-size 24 does not suit the model: MILA needs images of at least' in sentence
    sentence = fails('test', 'segmentation', 'none.pth', '--input-size', '64')
    assert 'are for classifiers, unlike' in sentence and 'segmentation.py' in sentence


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
        (
            lambda path: path.write_bytes(b'PK\x03\x04 half'),
            'model.pth is truncated, damaged or not',
        ),
        (other_size, 'model.pth [state_dict] does not fit EncoderDecoder'),
        (refused, 'model.pth holds builtins.eval, which is not plain data'),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence(make, expected, fails, here):
    make(here / 'model.pth')
    assert expected in fails('test', 'segmentation', 'model.pth')
    assert not (here / 'hacked').exists()


def test_the_test_set_is_checked_first(fails, here):
    sentence = fails(
        'test',
        'segmentation',
        'none.pth',
        '--cfg-options',
        'test_dataloader.dataset.data_root=data/coco',
    )
    assert sentence.startswith('data/coco/images/validation does not exist: COCO goes to')


def test_out_takes_json_only(run, here, capfd):
    with pytest.raises(SystemExit):
        run('test', 'segmentation', 'none.pth', '--out', 'results.pkl')
    assert '--out takes a .json file' in capfd.readouterr().err


def test_a_metric_that_is_no_number_is_null(script, here, monkeypatch):
    """JSON has no NaN, and strict readers refuse it."""
    tool = script('test')
    metrics = dict(a=float('nan'), b=float('-inf'), c=0.5)
    monkeypatch.setattr(tool, 'evaluate', lambda *args, **kwargs: metrics)
    monkeypatch.setattr(tool, 'load_config', lambda *args: None)
    tool.main(['c.py', 'x.pth', '--out', 'm.json'])
    assert json.loads((here / 'm.json').read_text()) == dict(a=None, b=None, c=0.5)
