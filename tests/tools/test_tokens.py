"""tools/tokens.py: the numbers of the MambaOut article, and its refusals."""

import json

import pytest


@pytest.fixture(autouse=True)
def in_root(monkeypatch, pytestconfig):
    """Where the configs are."""
    monkeypatch.chdir(pytestconfig.rootpath)


@pytest.mark.parametrize(
    'model, threshold, long',
    [
        # The article: ImageNet's 196 tokens are far from long; the "around 4,000" of COCO and
        # ADE20K exceed the threshold of the small ViT and come close to that of the base one.
        ('vit_small_patch16_224', 2304, [False, True, True]),
        ('vit_base_patch16_224', 4608, [False, False, False]),
    ],
)
def test_the_article(run, capsys, tmp_path, model, threshold, long):
    rows = run('tokens', model, '--json', tmp_path / 'new' / 'tokens.json')
    assert [row['stage'] for row in rows] == ['1-12'] * 3
    assert [row['tokens'] for row in rows] == [196, 4000, 4096]
    assert {row['threshold'] for row in rows} == {threshold}
    assert [row['ratio'] > 1 for row in rows] == long
    text = capsys.readouterr().out
    answer = 'yes' if long[1] else 'no'
    assert f'| {model} | 800x1280 | 1-12 | 4000 | {threshold // 6} | {threshold} | {answer}' in text
    assert json.loads((tmp_path / 'new' / 'tokens.json').read_text()) == rows


@pytest.mark.parametrize(
    'args, sentence',
    [
        (['mla_tiny'], "no model 'mla_tiny'; near it: mila_tiny"),
        (['mila_tiny', '--sizes', 16], 'mila_tiny gives no maps of an image of 16x16'),
    ],
)
def test_errors(fails, args, sentence):
    assert sentence in fails('tokens', *args)
