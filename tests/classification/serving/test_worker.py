"""serving/worker.py: one thread, jobs in order, in batches of a kind, and how it is stopped."""

import threading

import pytest

from classification.serving.refusal import Refusal
from classification.serving.worker import Worker
from tests.serving import until


class Doubler:
    """Work that notes its batches and waits for a gate."""

    def __init__(self, batch=1):
        self.gate, self.batches = threading.Event(), []
        self.worker, self.batch = Worker(self), batch

    def __call__(self, items):
        self.batches.append(list(items))
        self.gate.wait()
        return [item if isinstance(item, Exception) else 2 * item for item in items]

    def begin(self, *items):
        """Submit the items, the first of which is begun and waits at the gate."""
        first = self.worker.submit(items[0], items[0])
        until(lambda: self.batches)
        return [first, *(self.worker.submit(item, item % 10, self.batch) for item in items[1:])]


@pytest.mark.parametrize(
    'batch, batches',
    [
        (1, [[5], [11], [12], [21], [31], [41], [22]]),
        (3, [[5], [11, 21, 31], [12, 22], [41]]),
        (9, [[5], [11, 21, 31, 41], [12, 22]]),
    ],
)
def test_jobs_are_done_in_order_in_batches_of_a_kind(batch, batches):
    work = Doubler(batch)
    items = (5, 11, 12, 21, 31, 41, 22)
    jobs = work.begin(*items)
    assert len(work.worker) == 6
    work.gate.set()
    assert [job.outcome.result(20) for job in jobs] == [2 * item for item in items]
    assert work.batches == batches
    work.worker.stop()
    assert work.worker.join(20)


def test_a_dropped_job_is_never_done():
    work = Doubler()
    jobs = work.begin(5, 11, 12)
    work.worker.drop(jobs[1])
    work.worker.drop(jobs[0])  # begun: nothing happens
    assert len(work.worker) == 1
    work.gate.set()
    assert jobs[0].outcome.result(20) == 10 and jobs[2].outcome.result(20) == 24
    work.worker.drop(jobs[2])
    assert work.batches == [[5], [12]]
    work.worker.stop()


def test_a_cancelled_job_is_left_out_and_costs_no_other_its_outcome():
    work = Doubler(batch=3)
    jobs = work.begin(5, 11, 21, 31)
    jobs[2].outcome.cancel()
    work.gate.set()
    assert jobs[3].outcome.result(20) == 62
    assert work.batches == [[5], [11, 31]]
    work.worker.stop()


def test_stopping_finishes_what_has_begun_and_refuses_the_rest():
    work = Doubler()
    jobs = work.begin(5, 11)
    work.worker.stop()
    with pytest.raises(Refusal, match='being stopped') as refusal:
        jobs[1].outcome.result(20)
    assert refusal.value.status == 503 and refusal.value.headers['Retry-After']
    with pytest.raises(Refusal, match='being stopped'):
        work.worker.submit(6, 6)
    assert not work.worker.join(0.01)
    work.gate.set()
    assert jobs[0].outcome.result(20) == 10
    assert work.worker.join(20) and work.batches == [[5]]


def test_failures_are_of_their_job_alone():
    def work(items):
        if 0 in items:
            raise KeyError('all')
        return [ValueError('one') if item == 1 else item for item in items]

    worker = Worker(work)
    jobs = [worker.submit(item, item) for item in (0, 1, 2)]
    with pytest.raises(KeyError, match='all'):
        jobs[0].outcome.result(20)
    with pytest.raises(ValueError, match='one'):
        jobs[1].outcome.result(20)
    assert jobs[2].outcome.result(20) == 2
    worker.stop()
