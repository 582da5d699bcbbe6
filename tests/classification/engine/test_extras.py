"""engine/extras.py: a package that is missing is named with its cure."""

import json

import pytest

from classification.engine.errors import UsageError
from classification.engine.extras import need


def test_a_module_that_is_there():
    assert need('json', 'python', 'A test') is json


def test_a_module_that_is_missing():
    with pytest.raises(UsageError, match='A test needs a-package, which cannot .*: pip install a-'):
        need('no_such_module', 'a-package', 'A test')
