"""VMamba as a backbone: what is its alone; the rest is in test_dense.py."""

import pytest
from mmengine.registry import MODELS

import classification  # noqa: F401 - registers the models


def build(**kwargs):
    return MODELS.build(dict(type='VMamba', **kwargs))


def test_wrong_values_for_vmamba():
    with pytest.raises(ValueError, match="arch 'huge' is none of tiny, tiny_s2l5, small, base"):
        build(arch='huge')
    with pytest.raises(ValueError, match=r"unknown keys \['num_heads'\]"):
        build(arch=dict(num_heads=(1, 2)))
    with pytest.raises(TypeError, match='norm'):
        build(norm=False)
