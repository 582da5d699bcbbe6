"""Commands in parallel, what they say of themselves, and what a failure does."""

import sys
import time

import pytest

from classification.experiments import jobs


def job(folder, name, code, kind=''):
    return jobs.Job(name, [sys.executable, '-c', code], folder / name / 'log.txt', kind)


def test_all_run_each_with_its_log(tmp_path):
    todo = [job(tmp_path, str(i), f'print("number {i}")') for i in range(5)]
    jobs.run_jobs(todo, slots=2)
    assert [j.log.read_text() for j in todo] == [f'number {i}\n' for i in range(5)]


def test_nothing_to_do(monkeypatch, capfd):
    monkeypatch.setattr(jobs.time, 'sleep', lambda _: pytest.fail('waits for nothing'))
    jobs.run_jobs([], slots=2)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('slots', [1, 3])
def test_at_most_that_many_at_a_time(tmp_path, slots):
    """Each waits until it sees `slots` at work, then a moment more, and says how many it saw."""
    code = f"""
import os, time
from pathlib import Path
here = Path({str(tmp_path)!r})
(here / f'at_work_{{os.getpid()}}').touch()
seen, end = 0, time.time() + 20
while seen < {slots} and time.time() < end:
    seen = len(list(here.glob('at_work_*')))
    time.sleep(.01)
time.sleep(.1)
print(len(list(here.glob('at_work_*'))))
"""
    if slots == 1:  # the next one must not see the last one
        code += "[f.unlink() for f in here.glob('at_work_*')]"
    todo = [job(tmp_path, str(i), code) for i in range(3)]
    jobs.run_jobs(todo, slots)
    assert max(int(j.log.read_text()) for j in todo) == slots


def test_a_failure_is_named_and_ends_the_others(tmp_path):
    alive = tmp_path / 'alive'
    endless = job(
        tmp_path,
        'endless',
        f"""
import time
from pathlib import Path
while True:
    Path({str(alive)!r}).touch()
    time.sleep(.02)
""",
    )
    broken = job(tmp_path, 'broken', 'raise SystemExit("no such thing")')
    with pytest.raises(SystemExit, match='error: broken failed .no such thing.; see .*log.txt'):
        jobs.run_jobs([endless, broken], slots=2)
    alive.unlink(missing_ok=True)
    time.sleep(0.1)
    assert not alive.exists()


def test_state_is_the_last_line_of_training_since_the_start(tmp_path):
    line = 'INFO - Epoch(train) [{}][20/89]  lr: 1e-3  eta: 0:01:05  time: 0.1  loss: {}'
    todo = job(tmp_path, 'run', f'print({line.format(3, 1.5)!r}, flush=True)')
    todo.log.parent.mkdir()
    todo.log.write_text(line.format(2, 7.5) + '\n')
    running = jobs._Running(todo, None)
    running.process.wait()
    assert running.state() == 'run [3][20/89] loss: 1.5, 0:01:05 left'


def test_time_left_is_that_of_the_same_kind(tmp_path):
    seconds = [('slow', 90), ('fast', 10), ('fast', 20)]
    assert jobs.expected_seconds(job(tmp_path, 'a', '', 'fast'), seconds) == 15
    assert jobs.expected_seconds(job(tmp_path, 'a', '', 'other'), seconds) == 40


def test_status_has_the_time_left_for_all(tmp_path):
    todo = [job(tmp_path, str(i), 'import time; time.sleep(60)', 'kind') for i in range(4)]
    pool = jobs._Pool(todo, slots=2, env=None)
    try:
        assert pool.advance()
        assert pool.status() == '0 … | 1 …'  # nothing has ended: no estimate
        pool.seconds = [('kind', 120.0)]
        # Two that wait and two that have just begun, of 2 minutes each, two at a time.
        assert pool.status() == '1/5 done, 4 min left for all | 0 … | 1 …'
    finally:
        pool.end()
    assert not any(process.process.poll() is None for process in pool.running)
