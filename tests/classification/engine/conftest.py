"""Files of weights, and what loading says, for the tests of reading and loading."""

import pytest
import torch

from classification.engine.weights import loading


@pytest.fixture
def lines(monkeypatch):
    """What loading weights told the user."""
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda line, **kwargs: said.append(line))
    return said


@pytest.fixture
def save(tmp_path):
    def save(content, name='file.pth', **kwargs):
        torch.save(content, tmp_path / name, **kwargs)
        return tmp_path / name

    return save
