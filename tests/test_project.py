"""Promises of the whole project: one model, arrows one way, safe loading, a README that holds."""

import ast
import re

import pytest

from tests.helpers import ROOT

PACKAGES = ('classification', 'detection', 'segmentation', 'tools')
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob('*.py'))
# Whom each folder may import, besides itself. The order within and between the packages is held by
# import-linter (pyproject.toml), which `make lint` runs.
ARROWS = {
    'classification': set(),
    'detection': {'classification', 'mmdet'},
    'segmentation': {'classification', 'mmseg'},
    'tools': {'classification', 'detection', 'segmentation'},
}
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
