"""What mmcv and MMEngine no longer find, they find; what is there is left alone."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

import pytest

from classification.stand_ins import get_installed_path, is_installed

ROOT = Path(__file__).parents[2]


def python(code, *folders):
    """The output of a new process, which sees the folders before all others."""
    path = [str(folder) for folder in (*folders, ROOT)]
    code = f'import sys; sys.path[:0] = {path}\n{code}'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


# As on Python 3.14, and with a setuptools that has dropped pkg_resources.
NEWER = """
import pkgutil, importlib.machinery
if hasattr(pkgutil, 'find_loader'):
    del pkgutil.find_loader
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *args: (
    None if name == 'pkg_resources' else find(name, *args))
"""


def test_openmmlab_runs_where_python_and_setuptools_have_dropped_what_it_asks_for():
    code = (
        NEWER
        + """
import classification
from mmengine.config import Config
from mmengine.utils.dl_utils import collect_env
from mmengine.utils.dl_utils.misc import mmcv_full_available
from mmcv.utils.ext_loader import check_ops_exist
print(Config.fromfile('configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py').model.type,
      Config.fromfile('configs/segmentation/upernet_mila-t_8xb2-160k_ade20k-512x512.py').model.type,
      mmcv_full_available(), check_ops_exist(), bool(collect_env()))
"""
    )
    code = f'import os; os.chdir({str(ROOT)!r})\n{code}'
    assert python(code) == 'MaskRCNN EncoderDecoder True True True'


def test_without_the_stand_ins_it_does_not():
    """So that the test above can fail."""
    code = NEWER + 'from mmengine.utils import is_installed\nis_installed("mmdet")'
    with pytest.raises(AssertionError, match='pkg_resources|find_loader'):
        python(code)


@pytest.mark.parametrize('first', ['mmcv, classification', 'classification, mmcv'])
def test_a_compiled_mmcv_is_used(first, tmp_path):
    """A compiled one is a file _ext beside mmcv's sources."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.py').write_text('nms = "compiled"')
    code = f"""
import {first}
import mmcv._ext
print(mmcv._ext.nms, classification.stand_ins.has_compiled_operators())
"""
    assert python(code, tmp_path) == 'compiled True'


def test_an_installed_pkg_resources_is_used(tmp_path):
    (tmp_path / 'pkg_resources.py').write_text('')
    code = """
import mmengine
before = mmengine.utils.is_installed
import classification
print(mmengine.utils.is_installed is before, mmengine.config.config.is_installed is before)
"""
    assert python(code, tmp_path) == 'True True'


def test_nobody_else_takes_it_for_pkg_resources():
    """pytest, for one, asks the module for more than MMEngine does."""
    code = (
        NEWER
        + "import classification, detection, segmentation\nprint('pkg_resources' in sys.modules)"
    )
    assert python(code) == 'False'


@pytest.mark.parametrize('name, module', [('mmdet', 'mmdet'), ('mmsegmentation', 'mmseg')])
def test_folder_of_a_package(name, module):
    assert is_installed(name) and is_installed(module)
    for asked in (name, module):
        assert Path(get_installed_path(asked)) == Path(find_spec(module).origin).parent


def test_an_editable_package_is_where_its_source_is():
    assert Path(get_installed_path('mila-toolkit')) == ROOT / 'classification'


def test_no_such_package():
    assert not is_installed('no-such-package')
    with pytest.raises(PackageNotFoundError, match='no-such-package'):
        get_installed_path('no-such-package')


def test_the_finder_is_one_like_others():
    """It comes after Python's own, knows one module, and takes part in `invalidate_caches`."""
    code = """
import importlib
from importlib.machinery import PathFinder
from classification.stand_ins import OperatorFinder
importlib.invalidate_caches()
kinds = [type(finder) for finder in sys.meta_path]
place = kinds.index(OperatorFinder)
print(place > sys.meta_path.index(PathFinder), sys.meta_path[place].find_spec('mmcv._other'))
"""
    assert python(code) == 'True None'
