"""The documents: what they link to is there, and a link into code names what is defined there."""

import ast
import re

import pytest

from tests.helpers import ROOT

DOCUMENTS = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')]
LINK = re.compile(r'\[([^\]]*)\]\(([^)\s]+)\)')


def definitions(file):
    """Functions, classes and constants of a Python file; of a class as Class.name.

    What a class defines are its methods, its fields and what its methods assign to self.
    """
    names = set()
    for node in ast.parse(file.read_text()).body:
        names |= set(_names(node))
        if isinstance(node, ast.ClassDef):
            names |= {f'{node.name}.{name}' for part in node.body for name in _names(part)}
            names |= {
                f'{node.name}.{part.attr}'
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute)
                and isinstance(part.ctx, ast.Store)
                and getattr(part.value, 'id', None) == 'self'
            }
    return names


def _names(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = getattr(node, 'targets', [getattr(node, 'target', None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_what_they_name(path):
    for text, target in LINK.findall(path.read_text()):
        if '://' in target or target.startswith('#'):
            continue
        name, _, anchor = target.partition('#')
        file = path.parent / name
        assert file.exists(), f'{path.name} links to {target}'
        assert not re.fullmatch(r'L\d+', anchor), f'{path.name}: {target} moves with every edit'
        if file.suffix == '.py' and text.startswith('`') and '.py' not in text:
            assert text.strip('`') in definitions(file), f'{path.name}: no {text} in {name}'


def test_definitions_are_found(tmp_path):
    """So that the test above can fail: what a file uses or mentions does not count."""
    file = tmp_path / 'code.py'
    file.write_text(
        'from other import imported\n'
        'A, B = 1, 2\nC: int = 3\nD = E = imported\n'
        'class Class:\n    field: int\n    def method(self):\n        self.own = inner = used\n'
        'def function():\n    "mentioned"\n    local = 1\n'
    )
    found = {'C', 'D', 'E', 'Class', 'Class.field', 'Class.method', 'Class.own', 'function'}
    assert definitions(file) == found
