"""The installed package: complete, found by its command, and with the configs."""

import subprocess
import sys
import zipfile

import pytest

from tests.helpers import ROOT

PACKED = ('*.py', '*.yml', 'py.typed', '*.html', '*.js', '*.css')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'  # setuptools writes beside what it builds
    subprocess.run(['git', 'clone', '-q', ROOT, source], check=True)
    diff = subprocess.run(
        ['git', 'diff', '--binary', 'HEAD'], cwd=ROOT, capture_output=True, check=True
    ).stdout
    if diff:  # what is not committed yet belongs to it
        subprocess.run(['git', 'apply'], cwd=source, input=diff, check=True)
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation']
    subprocess.run([*command, '--wheel-dir', folder, source], check=True)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """A function: runs the command `mila` of the installed wheel, away from the clone."""
    site = tmp_path_factory.mktemp('site')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    home = tmp_path_factory.mktemp('home')

    def run(*arguments):
        code = f'import sys; sys.path.insert(0, {str(site)!r})\nimport runpy\n'
        code += f'sys.argv = {["mila", *map(str, arguments)]}\n'
        code += "runpy.run_module('mila_toolkit.tools', run_name='__main__', alter_sys=False)"
        command = [sys.executable, '-c', code]
        return subprocess.run(command, cwd=home, capture_output=True, text=True)

    return run


def test_every_file_is_in_the_wheel(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = set()
    for folder, home in (
        ('classification', ''),
        ('detection', ''),
        ('segmentation', ''),
        ('configs', 'mila_toolkit/'),
        ('tools', 'mila_toolkit/'),
    ):
        listed = subprocess.run(
            ['git', 'ls-files', *(f'{folder}/{name}' for name in PACKED)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert listed
        expected |= {home + file for file in listed}
    files = {name for name in held if '.dist-info/' not in name}
    assert files == expected


def test_dependencies_are_declared(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith('METADATA'))
        text = archive.read(name).decode()
    for package in ('torch>=2.6', 'mmcv-lite==2.1.0', 'mmdet==3.3.0', 'mmsegmentation==1.2.2'):
        assert f'Requires-Dist: {package}\n' in text
    assert 'Requires-Python: >=3.10' in text


def test_a_tool_with_a_config_of_the_package(installed):
    done = installed('complexity', 'configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py')
    assert not done.returncode, done.stderr
    assert '44.031 M' in done.stdout and '254.31 G' in done.stdout


def test_help_lists_the_tools(installed):
    done = installed('--help')
    assert not done.returncode
    assert 'convert-weights' in done.stdout and 'train' in done.stdout
    assert installed().returncode == 2


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['trian'], 'error: there is no tool trian: did you mean train?'),
        (['dist-train', 'c.py'], 'error: usage is mila dist-train CONFIG N'),
        (['dist-test', 'c.py', '2'], 'error: usage is mila dist-test CONFIG CHECKPOINT N'),
        (['dist-train', 'c.py', 'many'], 'error: the number of processes is many'),
        (['train', 'configs/detection/mask-rcnn_mila-t_fpn_1x_coc.py'], 'did you mean configs/det'),
    ],
)
def test_mistakes(installed, arguments, sentence):
    done = installed(*arguments)
    assert done.returncode
    assert sentence in done.stderr
