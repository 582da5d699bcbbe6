"""Promises of the whole project: one model, arrows one way, safe loading, a README that holds."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT

PACKAGES = ('classification', 'detection', 'segmentation', 'tools')
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob('*.py'))
# Whom each folder may import, besides itself.
ARROWS = {
    'classification': set(),
    'detection': {'classification', 'mmdet'},
    'segmentation': {'classification', 'mmseg'},
    'tools': {'classification', 'detection', 'segmentation'},
}
# Parts of `classification`, each importing only those before it.
ROOMS = (
    'mmcv_ops stand_ins visualization engine models datasets evaluation optim zoo backbones '
    'classifier hooks task convert benchmark experiments'
).split()
# What only the package of a task knows: its data samples, datasets and models.
OF_A_TASK = {
    *('COCOAPI', 'pred_instances', 'gt_instances', 'pred_sem_seg', 'gt_sem_seg', 'SegDataSample'),
    *('roi_head', 'roi_layers', 'rpn_head', 'decode_head', 'reduce_zero_label'),
    *('mmdet', 'mmseg'),
}


def test_there_is_one_definition_of_mila():
    found = [file for file in SOURCES if re.search(r'^class MILA\b', file.read_text(), re.M)]
    assert found == [ROOT / 'classification/models/mila.py']


@pytest.mark.parametrize('package', ARROWS)
def test_imports_point_one_way(package):
    kept = {'classification', 'detection', 'segmentation', 'tools', 'mmdet', 'mmseg'}
    for file in (ROOT / package).rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            tops = {name.split('.')[0] for name in names} & kept
            assert tops <= ARROWS[package] | {package}, f'{file}: {tops}'


@pytest.mark.parametrize('room', ROOMS)
def test_rooms_of_classification_import_lower_ones(room):
    folder = ROOT / 'classification'
    files = [folder / f'{room}.py', *(folder / room).rglob('*.py')]
    lower = {room, *ROOMS[: ROOMS.index(room)]}
    for file in filter(Path.is_file, files):
        depth = len(file.relative_to(ROOT).parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == depth - 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                assert {name.split('.')[0] for name in names} <= lower, f'{file}:{node.lineno}'


def test_every_part_of_classification_is_a_room():
    paths = [p for p in (ROOT / 'classification').iterdir() if p.name != 'py.typed']
    parts = {path.stem for path in paths if path.stem[0] != '_'}
    assert parts == set(ROOMS)


@pytest.mark.parametrize('package', ['classification', 'tools'])
def test_only_a_task_knows_its_samples_and_models(package):
    """In code, docstrings aside."""
    for file in (ROOT / package).rglob('*.py'):
        tree = ast.parse(file.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = [] if id(node) in docstrings else re.findall(r'\w+', node.value)
            else:
                words = [getattr(node, field, None) for field in ('id', 'attr', 'arg', 'name')]
            known = OF_A_TASK.intersection(filter(None, words))
            assert not known, f'{file}:{node.lineno}: {known}'


def test_tools_are_entry_points():
    """Short, and none imports another."""
    files = sorted((ROOT / 'tools').glob('*.py'))
    for file in files:
        text = file.read_text()
        assert text.count('\n') <= 150, file
        imported = set(re.findall(r'^\s*(?:import|from) (\w+)', text, re.M))
        assert not imported & {other.stem for other in files}, file


@pytest.mark.parametrize('file', SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_source_opens_a_door(file):
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == 'weights_only':
            assert getattr(node.value, 'value', None) is True, f'{file}:{node.lineno}'
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ('sys', 'path'), f'{file}:{node.lineno}'


def test_links_of_the_readme_lead_somewhere():
    for document in [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *(ROOT / 'docs').rglob('*.md')]:
        links = re.findall(r'\]\((?!https?:|#)([^)#]+)', document.read_text())
        missing = [link for link in links if not (document.parent / link).exists()]
        assert not missing, f'{document}: {missing}'


def test_tools_of_the_readme_exist():
    text = (ROOT / 'README.md').read_text()
    tools = set(re.findall(r'tools/\w+\.(?:py|sh)', text))
    assert len(tools) >= 6
    assert all((ROOT / tool).exists() for tool in tools)
    targets = set(re.findall(r'^(?:make) ([\w-]+)', text, re.M))
    makefile = (ROOT / 'Makefile').read_text()
    assert targets and all(re.search(rf'^{target}:', makefile, re.M) for target in targets)
