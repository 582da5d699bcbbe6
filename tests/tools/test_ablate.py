"""tools/ablate.py: what it refuses; what it runs is tested with classification/experiments."""


def test_errors(fails):
    assert 'configs/nowhere.py does not exist' in fails('ablate', 'configs/nowhere.py')
