"""One thread that does the work, and the jobs that wait for it.

A model gains nothing from being run twice at the same time, and keeps what depends on the size of
its input: so it is run by one thread, job after job, in the order in which they came.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .refusal import busy


@dataclass(eq=False)
class Job:
    """Something to be done.

    Attributes:
        item: what is given to the work.
        kind: jobs of one kind may be done together.
        together: how many of them at most.
        outcome: receives what the work made of the item, or why it failed.
    """

    item: Any
    kind: Hashable
    together: int = 1
    outcome: 'Future[Any]' = field(default_factory=Future)


class Worker:
    """A thread that does jobs.

    Args:
        work: items -> what became of each, in their order; an Exception is why one failed.
    """

    def __init__(self, work: Callable[[list[Any]], list[Any]]):
        self._work = work
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        # A daemon, so that work which never ends cannot keep the process.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def stopped(self) -> bool:
        return self._stopped

    def submit(self, item: Any, kind: Hashable, together: int = 1) -> Job:
        """A new job, the last of those that wait; arguments as of `Job`.

        Raises:
            Refusal: the worker was stopped.
        """
        job = Job(item, kind, together)
        with self._changed:
            if self._stopped:
                raise _stopping()
            self._waiting.append(job)
            self._changed.notify()
        return job

    def drop(self, job: Job) -> None:
        """Forget a job that nobody waits for any more, if it has not begun."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def stop(self) -> None:
        """Take no more jobs and refuse those that wait; what has begun is finished."""
        with self._changed:
            self._stopped = True
            waiting, self._waiting = self._waiting, deque()
            self._changed.notify()
        for job in waiting:
            if job.outcome.set_running_or_notify_cancel():
                job.outcome.set_exception(_stopping())

    def join(self, seconds: float) -> bool:
        """Wait for a stopped worker to end; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (jobs := self._next()) is not None:
            self._do(jobs)
            del jobs  # not kept in memory until the next ones come

    def _do(self, jobs: list[Job]) -> None:
        try:
            outcomes = self._work([job.item for job in jobs])
        except Exception as error:
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.outcome.set_exception(outcome)
            else:
                job.outcome.set_result(outcome)

    def _next(self) -> list[Job] | None:
        """The first of the jobs that wait, with others of its kind; None after `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            if not self._waiting:
                return None
            first = self._waiting[0]
            jobs = [job for job in self._waiting if job.kind == first.kind][: first.together]
            for job in jobs:
                self._waiting.remove(job)
        # From here on they cannot be cancelled; those that were meanwhile are left out.
        return [job for job in jobs if job.outcome.set_running_or_notify_cancel()]


def _stopping() -> Exception:
    return busy('The server is being stopped: send the image again in a while.')
