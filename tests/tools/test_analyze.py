"""The report of a short training, by the tool and from Python."""

import re
import shutil
from pathlib import Path

import pytest

from classification.analysis.report import write_report
from classification.engine.errors import UsageError
from tests.conftest import load_script
from tests.helpers import FIXTURES, LAST

SECTIONS = ['Result', 'Training', 'Classes', 'Confused classes', 'Calibration']
SECTIONS += ['Worst and best images', 'Most confused images']
SECTIONS += ['Speed and memory', 'Use it', 'Setting']


@pytest.mark.parametrize('task', ['classification', 'recipe', 'detection', 'segmentation'])
def test_report_of_a_training(task, trained, here, run, capsys):
    folder = trained(task)
    run('analyze', folder, '--out', 'sub/r.html', '--score-thr', '0')
    assert capsys.readouterr().out.endswith('Report: sub/r.html\n')
    text = (here / 'sub' / 'r.html').read_text()
    titles = re.findall('<h2>([^<]+)</h2>', text)
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    assert '<script' not in text and not re.search(r'>[^<]*\bnan\b', text)
    assert 'src="data:image/jpeg' in text and '<svg' in text
    assert 'Training loss' in text
    command = f'python tools/predict.py {next(folder.glob("*.py"))} {folder}/'
    assert command in text
    assert len(text) < 3_000_000


@pytest.mark.parametrize(
    'task',
    [
        pytest.param('classification', marks=pytest.mark.slow),
        pytest.param('detection', marks=pytest.mark.slow),
        'segmentation',
    ],
)
def test_two_trainings_are_compared(task, trained, here, run):
    folder = trained(task)
    other = shutil.copytree(folder, here / 'other')
    run('analyze', folder, other, '--out', 'c.html', '--score-thr', '0')
    text = (here / 'c.html').read_text()
    titles = re.findall('<h2>([^<]+)</h2>', text)
    pair = f'other against {folder.name}'
    assert titles == ['Side by side', 'Training', 'Calibration', pair, f'{pair}: images']
    assert 'interval [+0.0, +0.0], is not distinguishable from zero' in text
    assert 'milliseconds per image' in text and not re.search(r'>[^<]*\bnan\b', text)


@pytest.mark.parametrize(
    'task, results, truth',
    [
        pytest.param('classification', 'results.json', 'imagenet/val', marks=pytest.mark.slow),
        ('detection', 'results.json', 'coco/annotations/instances_val2017.json'),
        pytest.param('segmentation', 'masks', 'ade/annotations/validation', marks=pytest.mark.slow),
    ],
)
def test_saved_results_give_the_metrics_of_the_test(task, results, truth, trained, here, run):
    """Those that tools/predict.py has written of the images that tools/test.py takes."""
    folder = trained(task)
    images = {'classification': truth, 'detection': 'coco/val2017'}
    images = Path('data/digits') / images.get(task, 'ade/images/validation')
    run('predict', folder, images, '--out', 'p', '--no-overlays')
    saved = ['--results', f'p/{results}', '--truth', Path('data/digits') / truth]
    saved += [] if task == 'classification' else ['--images', images]
    saved += ['--zero-is-ignored'] if task == 'segmentation' else []
    run('analyze', *saved, '--out', 'r.html', '--score-thr', '0')
    run('analyze', folder, '--out', 'own.html', '--score-thr', '0')
    tile = r'<b>([\d.]+)</b><span>(box AP|mask AP|mIoU|top-1)</span>'
    ours, own = (re.findall(tile, (here / name).read_text()) for name in ('r.html', 'own.html'))
    assert ours and [name for _, name in ours] == [name for _, name in own]
    values = [[float(value) for value, _ in tiles] for tiles in (ours, own)]
    assert values[0] == pytest.approx(values[1], abs=0.11)  # mmseg rounds before
    text = (here / 'r.html').read_text()
    assert 'Worst and best images' in text and 'data:image/jpeg' in text


def test_the_headline_is_the_evaluators(trained, here, run):
    folder = trained('segmentation')
    metrics = run('test', 'segmentation', folder / LAST['segmentation'])
    text = write_report(folder, out='r.html').read_text()
    assert f'<b>{metrics["mIoU"]:.1f}</b><span>mIoU</span>' in text


def test_the_report_stands_in_the_work_dir_after_training(here):
    """In one process, as a tool that trains and then reports."""
    load_script('train').main([str(FIXTURES / 'segmentation.py'), '--work-dir', 'w'])
    path = write_report('w')
    assert path == (here / 'w' / 'report.html').relative_to(here)
    assert path.stat().st_size > 10_000


def test_the_best_checkpoint_is_taken(trained, here, run):
    folder = shutil.copytree(trained('segmentation'), here / 'w')
    shutil.copy(folder / LAST['segmentation'], folder / 'best_mIoU_iter_3.pth')
    run('analyze', folder)
    assert 'best_mIoU_iter_3.pth on 4 images' in (folder / 'report.html').read_text()


def test_a_checkpoint_and_config_of_choice(trained, here, run):
    folder = trained('segmentation')
    (here / 'empty').mkdir()
    config = next(folder.glob('*.py'))
    checkpoint = folder / 'iter_3.pth'
    run('analyze', here / 'empty', '--config', config, '--checkpoint', checkpoint)
    text = (here / 'empty' / 'report.html').read_text()
    assert 'iter_3.pth on 4 images' in text and 'holds no log of a training' in text


def test_mistakes(trained, here, fails, run):
    assert fails('analyze', 'nowhere') == 'nowhere does not exist: give the work dir of a training.'
    (here / 'w').mkdir()
    assert 'w holds no config' in fails('analyze', 'w')
    config = shutil.copy(next(trained('detection').glob('*.py')), here / 'w' / 'a.py')
    assert 'w holds no checkpoint' in fails('analyze', 'w')
    shutil.copy(config, here / 'w' / 'b.py')
    assert 'w holds 2 configs (a.py, b.py)' in fails('analyze', 'w')
    assert not (here / 'w' / 'report.html').exists()
    missing = fails('analyze', '--results', 'r.json', '--truth', 't.json')
    assert missing == 'r.json does not exist: give saved results and their truth.'
    for arguments in (
        ['w', '--out', 'r.txt'],
        ['w', '--score-thr', '2'],
        ['--seed', '1'],
        ['w', '--results', 'r.json', '--truth', 't.json'],
        ['--results', 'r.json'],
        ['w', 'v', '--checkpoint', 'x.pth'],
    ):
        with pytest.raises(SystemExit) as stop:
            run('analyze', *arguments)
        assert stop.value.code == 2


def test_a_detector_needs_the_evaluation_of_coco(trained, here):
    folder = shutil.copytree(trained('detection'), here / 'w')
    config = next(folder.glob('*.py'))
    config.write_text(config.read_text() + "test_evaluator = dict(type='VOCMetric')\n")
    with pytest.raises(UsageError, match='set the type of test_evaluator to CocoMetric'):
        write_report(folder)


def test_an_earlier_report_stays_where_the_evaluation_fails(trained, here, fails):
    folder = shutil.copytree(trained('segmentation'), here / 'w')
    (folder / 'report.html').write_text('earlier')
    (folder / LAST['segmentation']).write_bytes(b'damaged')
    assert 'truncated, damaged or not a checkpoint' in fails('analyze', 'w')
    assert (folder / 'report.html').read_text() == 'earlier'
