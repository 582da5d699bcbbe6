"""Tokens of each stage, counted by hand."""

import pytest

from classification.benchmark.tokens import stages


@pytest.mark.parametrize(
    'model',
    [
        'convnext_atto',
        'configs/quickstart/upernet_mila-digits_digits.py',
        'configs/quickstart/mila-digits_1xb64_digits.py',
    ],
)
def test_stages(model, monkeypatch, pytestconfig):
    """Four stages; sides are rounded as the model rounds them: 100 is 25, 13 (12), 7 (6), 4 (3)."""
    monkeypatch.chdir(pytestconfig.rootpath)  # where the configs are
    widths = (40, 80, 160, 320) if model == 'convnext_atto' else (32, 64, 128, 256)
    sides = (25, 12, 6, 3) if model == 'convnext_atto' else (25, 13, 7, 4)
    rows = stages(model, (100, 100))
    assert [row['stage'] for row in rows] == ['1', '2', '3', '4']
    assert [row['channels'] for row in rows] == list(widths)
    assert [row['tokens'] for row in rows] == [side**2 for side in sides]
    for row, side, width in zip(rows, sides, widths, strict=True):
        assert row['ratio'] == side**2 / (6 * width)
