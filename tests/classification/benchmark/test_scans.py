"""The benchmark of the selective scan: what it measures and prints, not how long that takes."""

from classification.benchmark import scans
from classification.benchmark.scans import SCANS, run_scans, table


def test_measures_both_in_inference_and_training(monkeypatch):
    monkeypatch.setattr(scans, 'CHANNELS', 2)
    calls = []
    for name, scan in SCANS.items():

        def counted(*inputs, name=name, scan=scan):
            calls.append((name, inputs[0].shape, inputs[0].requires_grad))
            return scan(*inputs)

        monkeypatch.setitem(SCANS, name, counted)
    rows = run_scans([3], rounds=1)
    assert [(row['tokens'], row['run']) for row in rows] == [(3, 'inference'), (3, 'training')]
    assert all(row[name]['seconds'] > 0 for row in rows for name in SCANS)
    assert {*calls} == {(s, (1, 2, 3, 2), t) for s in SCANS for t in (False, True)}


def test_table():
    row = dict(
        tokens=4096,
        run='training',
        scan=dict(seconds=0.05, memory=3 * 2**20),
        loop=dict(seconds=1.0, memory=None),
    )
    line = '| 4096 | training | 50.0 | 1000.0 | 20.0 | 3 | - |'
    assert table([row]).splitlines()[-1] == line
