"""The report of a short training, by the tool and from Python."""

import re
import shutil

import pytest

from classification.analysis.report import write_report
from classification.engine.errors import UsageError
from tests.conftest import load_script
from tests.helpers import FIXTURES, LAST

SECTIONS = ['Result', 'Training', 'Classes', 'Confused classes', 'Worst and best images']
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
    for option in (['--out', 'r.txt'], ['--score-thr', '2']):
        with pytest.raises(SystemExit) as stop:
            run('analyze', 'w', *option)
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
