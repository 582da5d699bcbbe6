"""Exported models where PyTorch is absent: the package, the command, an installation."""

import json
import os
import subprocess
import sys
import venv

import numpy as np
import pytest
from PIL import Image

from tests.exported import CLASSES, means, write_model
from tests.helpers import ROOT, picture

ABSENT = ['torch', 'torchvision', 'mmcv', 'mmengine', 'mmdet', 'mmseg', 'timm', 'onnx', 'sklearn']
# What a bare installation lacks as well.
EXTRAS = ['cv2', 'yaml', 'tqdm', 'matplotlib', 'prettytable', 'pycocotools', 'scipy', 'safetensors']


def python(code, *args, cwd, absent=(*ABSENT, *EXTRAS)):
    """Run Python code where some packages cannot be imported."""
    lines = ['import sys', *(f'sys.modules[{name!r}] = None' for name in absent), code]
    return subprocess.run(
        [sys.executable, '-c', '\n'.join(lines), *map(str, args)],
        cwd=cwd,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


COMMAND = "import runpy; runpy.run_module('classification.exported', run_name='__main__')"


@pytest.fixture
def folder(tmp_path):
    """images/a.png and images/in/b.png, two of a size."""
    picture(tmp_path / 'images/a.png')
    picture(tmp_path / 'images/in/b.png', seed=1)
    (tmp_path / 'images/notes.txt').touch()
    return tmp_path


def check(out, task, folder):
    """What the command wrote for the images of `folder`."""
    names = ['images/a.png', 'images/in/b.png']
    pixels = [np.asarray(Image.open(folder / name)) for name in names]
    assert (out / 'overlays/a.png').is_file() and (out / 'overlays/in/b.png').is_file()
    if task == 'segmentation':
        for name, image in zip(['a', 'in/b'], pixels, strict=True):
            labels = np.asarray(Image.open(out / f'masks/{name}.png'))
            assert (labels == image.argmax(axis=2)).all()
        return
    results = json.loads((out / 'results.json').read_text())
    if task == 'classification':
        assert [result['file_name'] for result in results] == names
        for result, image in zip(results, pixels, strict=True):
            expected = sorted(zip(CLASSES[task], means(image), strict=True), key=lambda x: -x[1])
            assert [best['class'] for best in result['best']] == [name for name, _ in expected]
        return
    assert [image['file_name'] for image in results['images']] == names
    assert [category['name'] for category in results['categories']] == CLASSES[task]
    scores = [annotation['score'] for annotation in results['annotations']]
    assert np.allclose(scores, np.concatenate([means(image)[:2] for image in pixels]), atol=1e-5)
    assert all(
        annotation['segmentation']['size'] == [36, 40] for annotation in results['annotations']
    )


@pytest.mark.parametrize('task', CLASSES)
def test_the_command_without_pytorch(task, folder):
    write_model(folder / 'm.onnx', task)
    done = python(COMMAND, 'm.onnx', 'images', '--out', 'out', '--batch-size', 2, cwd=folder)
    assert not done.returncode, done.stderr
    assert done.stderr == ''
    assert 'Other files are left out: 1 .txt' in done.stdout
    assert '2 of 2 images predicted, see out' in done.stdout
    check(folder / 'out', task, folder)


@pytest.mark.parametrize('task', CLASSES)
def test_the_tool_takes_exported_models(task, folder, script, monkeypatch, capsys):
    write_model(folder / 'm.onnx', task)
    monkeypatch.chdir(folder)
    script('predict').main(['m.onnx', 'images', '--out', 'out'])
    assert '2 of 2 images predicted, see out' in capsys.readouterr().out
    check(folder / 'out', task, folder)
    with pytest.raises(SystemExit):
        script('predict').parse_args(['m.onnx', 'a', '--out', 'x', '--cfg-options', 'a=1'])
    assert 'has no config to change by --cfg-options' in capsys.readouterr().err


def test_three_lines_of_python_without_pytorch(folder):
    write_model(folder / 'm.onnx', 'segmentation')
    code = """
import classification
from classification.exported import load
model = load('m.onnx', tile=32)
model('images/a.png').draw().save('drawn.png')
print(type(classification.load).__name__, model.classes)
from classification import *
assert 'models' not in dir() and load is classification.load
for path in ('work', 'm.onnx'):
    try:
        load(path)
    except RuntimeError as error:
        print(error)
assert not {name for name in sys.modules if name.split('.')[0] in %r and sys.modules[name]}
"""
    done = python(code % (ABSENT,), cwd=folder)
    assert not done.returncode, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "function ['red', 'green', 'blue']"
    assert lines[1].startswith('work is no exported model (.onnx), and all others need PyTorch')
    assert lines[2].startswith('m.onnx is a model of segmentation, not classification')
    assert (folder / 'drawn.png').is_file()


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['none.onnx', 'images'], 'none.onnx cannot be read (No such file or directory)'),
        (['m.onnx', 'none'], 'none does not exist: check the path.'),
        (['m.onnx', 'images', '--format', 'png'], 'The formats of this task are coco, yolo, label'),
        (['m.onnx', 'images', '--format', 'yolo'], 'The outline of a mask needs opencv-python-h'),
        (['m.onnx', 'clip.mp4'], 'Reading a video or a camera needs opencv-python-headless'),
        (['m.onnx', 'images', '--tile', '1'], 'Tiles of 1 pixels are not possible'),
        (['m.onnx', 'bad.png'], '1 of 1 images could not be predicted: bad.png cannot be read'),
        (['nan.onnx', 'images/a.png'], '1 of 1 images could not be predicted: images/a.png (Check'),
    ],
)
def test_mistakes(arguments, sentence, folder):
    write_model(folder / 'm.onnx', 'detection')
    write_model(folder / 'nan.onnx', 'detection', constants=dict(white=np.float32(np.nan)))
    (folder / 'clip.mp4').touch()
    (folder / 'bad.png').touch()
    done = python(COMMAND, *arguments, '--out', 'out', cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {sentence}') and done.stderr.count('\n') == 1


def test_without_onnxruntime(folder):
    write_model(folder / 'm.onnx', 'detection')
    absent = [*ABSENT, 'onnxruntime']
    done = python(COMMAND, 'm.onnx', 'images', '--out', 'out', cwd=folder, absent=absent)
    assert done.returncode == 1
    assert done.stderr.startswith('error: An exported model needs onnxruntime, which cannot be lo')


DYING = """
import os
from classification.exported.model import ExportedModel
run, left = ExportedModel._run, [4]
def dying(self, batch):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    return run(self, batch)
ExportedModel._run = dying
"""


@pytest.mark.parametrize(
    'task, file, names',
    [
        ('detection', 'results.json', ('RANK', 'WORLD_SIZE')),
        ('classification', 'results.csv', ('SLURM_PROCID', 'SLURM_NTASKS')),
    ],
)
def test_three_processes_a_kill_and_a_merge(task, file, names, folder, monkeypatch):
    """By variables alone and without PyTorch; the bytes are those that one process writes."""
    for i in range(20):
        picture(folder / f'many/{i}.png', seed=i)
    write_model(folder / 'm.onnx', task)
    form = 'coco' if task == 'detection' else 'csv'
    given = ['m.onnx', 'many', '--format', form, '--out']
    done = python(COMMAND, *given, 'one', '--no-overlays', cwd=folder)
    assert not done.returncode, done.stderr
    command = [COMMAND, *given, 'three', '--shard-size', 2]
    for rank in (2, 0, 1):
        for name, value in zip(names, (rank, 3), strict=True):
            monkeypatch.setenv(name, str(value))
        if rank != 1:
            killed = python(DYING + COMMAND, *command[1:], cwd=folder)
            assert killed.returncode == -9
            shards = {path.name for path in (folder / 'three/shards').glob('*.jsonl')}
            assert f'00000{rank}.jsonl' in shards and f'00000{rank + 3}.jsonl' not in shards
        done = python(*command, cwd=folder)
        assert not done.returncode and done.stderr == '', done.stderr
    assert 'All 10 shards are complete, to merge them: python -m classification.formats three' in (
        done.stdout
    )
    merge = COMMAND.replace('exported', 'formats')
    done = python(merge, 'three', cwd=folder)
    assert done.stdout == f'20 of 20 images predicted, three has {file}\n', done.stderr
    assert (folder / 'three' / file).read_bytes() == (folder / 'one' / file).read_bytes()
    assert [path.name for path in (folder / 'one').iterdir()] == [file]
    assert {path.name for path in (folder / 'three').iterdir()} == {file, 'shards'}
    assert not [*(folder / 'three/shards').glob('.partial*')]


@pytest.mark.slow
def test_an_installation_without_pytorch(folder):
    """A new environment with numpy, Pillow and onnxruntime; it needs an index of packages."""
    venv.create(folder / 'env', with_pip=True)
    own = folder / 'env' / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
    source = folder / 'source'  # setuptools writes beside what it builds
    subprocess.run(['git', 'clone', '-q', ROOT, source], check=True)
    diff = subprocess.run(['git', 'diff', '--binary', 'HEAD'], cwd=ROOT, capture_output=True).stdout
    if diff:
        subprocess.run(['git', 'apply'], cwd=source, input=diff, check=True)
    pip = [own, '-m', 'pip', 'install', '-q']
    subprocess.run([*pip, 'numpy', 'pillow', 'onnxruntime'], check=True)
    subprocess.run([*pip, '--no-deps', source], check=True)
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}

    def run(*args):
        return subprocess.run([own, *args], cwd=folder, env=env, capture_output=True, text=True)

    assert run('-c', 'import torch').returncode
    for task in CLASSES:
        write_model(folder / f'{task}.onnx', task)
        command = ['-m', 'classification.exported', f'{task}.onnx', 'images', '--out', f'of-{task}']
        done = run(*command)
        assert not done.returncode, done.stderr
        check(folder / f'of-{task}', task, folder)
    code = """
import classification.exported
result = classification.exported.load('detection.onnx')('images/a.png')
result.draw().save('drawn.png')
print(result.counts())
"""
    done = run('-c', code)
    assert done.stdout == "{'cat': 1, 'dog': 1}\n", done.stderr
