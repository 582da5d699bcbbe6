"""What tests of the tools share: a few digits on disk, tiny trainings, the tools as functions."""

import importlib.util
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.utils import ManagerMixin
from sklearn.datasets import load_digits

# Without a GPU the kernels run in Triton's interpreter, if it is told so when Triton and they are
# imported; the programs that tests start are not to inherit that.
if not torch.cuda.is_available() and find_spec('triton'):
    os.environ['TRITON_INTERPRET'] = '1'
    from classification.models.ops.kernels import (  # noqa: F401
        depthwise,
        gated_attention,
        layer_norm,
        selective_scan,
    )

    del os.environ['TRITON_INTERPRET']

from classification.datasets.digits import Settings  # noqa: E402
from classification.datasets.digits_files import write_classification, write_scenes  # noqa: E402
from classification.engine.configs.loading import load_config  # noqa: E402
from tests.helpers import FIXTURES, ROOT  # noqa: E402


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Sums in one order, and no threads that wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory):
    """What is kept between runs is kept in a folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(autouse=True)
def forget_runs():
    """MMEngine keeps loggers and histories by name for the life of the process."""
    _forget()
    yield
    _forget()


def _forget(cls=ManagerMixin):
    for child in cls.__subclasses__():
        if child.__name__ != 'DefaultScope':
            child._instance_dict.clear()
        _forget(child)


def load_script(name):
    """tools/<name>.py as a module: tools/ is a folder of scripts, not a package."""
    spec = importlib.util.spec_from_file_location(f'tools_{name}', ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script():
    """A function: name of a tool -> its module."""
    return load_script


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    """A folder with data/digits: 8 + 4 scenes of 64x64, 20 + 20 single digits of 32x32."""
    root = tmp_path_factory.mktemp('digits')
    out = root / 'data' / 'digits'
    settings = Settings(
        train_scenes=8,
        val_scenes=4,
        scene_size=64,
        patch_size=32,
        min_height=18,
        max_height=28,
        max_digits=3,
        train_renderings=1,
    )
    samples, bar = load_digits(), SimpleNamespace(update=lambda: None)
    for split, indices in (('train', range(0, 20)), ('val', range(20, 50))):
        folder = out / 'imagenet' / split
        write_classification(folder, split, list(indices), samples, settings, bar)
        write_scenes(out, split, list(indices), samples, settings, bar)
    return root


@pytest.fixture
def here(digits, tmp_path, monkeypatch):
    """An empty folder to work in, with the digits where configs look for them."""
    (tmp_path / 'data').symlink_to(digits / 'data')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_data(here, digits):
    """data/digits as a copy that a test may damage."""
    (here / 'data').unlink()
    shutil.copytree(digits / 'data', here / 'data')
    return here / 'data' / 'digits'


@pytest.fixture
def config(here):
    """A function: task and options -> its config, writing below the test's folder."""

    def load(task, **options):
        return load_config(FIXTURES / f'{task}.py', options, work_dir=here / 'w')

    return load


def _run(tool, config, *args):
    _forget()
    fixture = FIXTURES / f'{config}.py'
    config = fixture if fixture.is_file() else config
    return load_script(tool).main([str(config), *map(str, args)])


@pytest.fixture
def run():
    """A tool's main() with arguments as on the command line; a config may be a task's name."""
    return _run


@pytest.fixture
def fails(capfd):
    """Run a tool that must fail with one sentence and without a traceback: the sentence."""

    def expect(tool, *args):
        with pytest.raises(SystemExit) as stop:
            _run(tool, *args)
        assert stop.value.code == 1
        err = capfd.readouterr().err
        assert 'Traceback' not in err
        assert err.count('error: ') == 1, err
        return err.split('error: ')[1].strip()

    return expect


@pytest.fixture(scope='session')
def trained(digits, tmp_path_factory):
    """task -> folder of a short training with two checkpoints, as tools/train.py leaves it."""
    done = {}

    def train(task):
        if task not in done:
            before = os.getcwd()
            os.chdir(digits)
            try:
                done[task] = tmp_path_factory.mktemp(f'trained-{task}')
                _run('train', task, '--work-dir', done[task])
            finally:
                os.chdir(before)
        return done[task]

    return train


@pytest.fixture
def contents():
    """A function: folder -> {relative path: bytes} of everything in it."""

    def read(folder):
        files = [path for path in Path(folder).rglob('*') if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return read
