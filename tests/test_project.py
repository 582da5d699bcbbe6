"""Promises of the whole project: one model, arrows one way, safe loading, a README that holds."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ('classification', 'detection', 'segmentation', 'tools')
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob('*.py'))
# Whom each folder may import, besides itself.
ARROWS = {
    'classification': set(),
    'detection': {'classification', 'mmdet'},
    'segmentation': {'classification', 'mmseg'},
    'tools': {'classification', 'detection', 'segmentation', 'mmdet', 'mmseg'},
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
