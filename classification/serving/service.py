"""From the bytes of an image to its result: with bounds, for many clients at one time.

This knows nothing of HTTP's requests but their statuses, so that whatever else is served beside the
API, such as a page for people, predicts through the same queue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from operator import methodcaller
from typing import Any, TypeVar

import numpy as np

from ..engine.errors import DataError, UsageError
from ..results import Result
from .decoding import check_size, decode
from .limits import Limits
from .refusal import Refusal, busy
from .replies import task_name
from .worker import Job, Worker

_log = logging.getLogger(__name__)
_PROBE = 256  # pixels a side
_T = TypeVar('_T')


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Service:
    """A model with a queue.

    Args:
        predictor: gives a Result when called with an image (H, W, 3) uint8; with `limits.batch`
            over 1 also a list of them when called with a list and `batch_size`.
        limits: bounds.

    Attributes:
        task: name of it.
        classes: their names.
        parameters: of the model; None where that is not known.
        backbone: what it is, such as 'MILA'; None where that is not known.
        served: how many images have been predicted.
        taken: how many requests are being read, wait, or are being answered.

    Raises:
        UsageError: the predictor does not predict a plain image, or gives no known result.
    """

    def __init__(self, predictor: Callable[..., Any], limits: Limits):
        self.limits, self.served, self.taken = limits, 0, 0
        self._predictor = predictor
        # The first prediction is slow, so no client has to wait for it; and it tells the task.
        try:
            result: Any = predictor(np.full((_PROBE, _PROBE, 3), 128, np.uint8))
        except Exception as error:
            raise UsageError(
                f'The model does not predict a plain image ({type(error).__name__}: {error}): '
                'try it with tools/predict.py.'
            ) from error
        if not isinstance(result, Result):
            raise UsageError(f'The model gives a {type(result).__name__}, which is no result.')
        self.task, self.classes = task_name(result), [*result.names]
        model = getattr(predictor, 'model', None)
        parameters, backbone = getattr(model, 'parameters', None), getattr(model, 'backbone', None)
        self.parameters = sum(p.numel() for p in parameters()) if parameters else None
        backbone = getattr(backbone, 'backbone', backbone)  # timm's, in a TimmBackbone
        name = type(backbone).__name__.removesuffix('Backbone')
        self.backbone = name if backbone is not None else None
        self._worker = Worker(self._work)

    @property
    def waiting(self) -> int:
        """How many images wait for the model."""
        return len(self._worker)

    @property
    def stopped(self) -> bool:
        return self._worker.stopped

    def stop(self) -> None:
        """Refuse what waits and what comes; what the model works at is finished."""
        self._worker.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the model to finish, after `stop`; whether it has."""
        return self._worker.join(seconds)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for a request, from before its body is read until its answer is made.

        Raises:
            Refusal: all places are taken.
        """
        if self.stopped:
            raise busy('The server is being stopped: send the image again in a while.')
        if self.taken >= self.limits.queue:
            raise busy(
                f'The server is busy with {self.taken} images, and has no room for more: send the '
                'image again in a while.'
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def predict(self, content: bytes, seconds: float, gone: Awaitable[Any]) -> Result:
        """The result of an image file.

        Args:
            content: of the file.
            seconds: after which the prediction is given up; one not begun is never made then.
            gone: is done when the client has left, whose prediction is given up too.

        Raises:
            Refusal: the image cannot be predicted, or not in time.
            ClientGone: see `gone`.
        """
        leaving = asyncio.ensure_future(gone)
        try:
            limits = self.limits
            width, height = await asyncio.to_thread(check_size, content, limits.max_pixels)
            # A batch takes no more memory than one image may.
            together = min(limits.batch, limits.max_pixels // (width * height))
            job = self._worker.submit(content, (width, height), together)
            result = await self._outcome(job, seconds, leaving)
            self.served += 1
            return result
        finally:
            leaving.cancel()

    async def run(self, work: Callable[[Any], _T], seconds: float) -> _T:
        """What `work` gives of the predictor, called when it is its turn, in the worker's thread.

        Raises:
            Refusal: it failed, or was not done in time.
        """
        job = self._worker.submit(work, kind=object())
        return await self._outcome(job, seconds, asyncio.get_running_loop().create_future())

    async def _outcome(self, job: Job, seconds: float, leaving: asyncio.Future[Any]) -> Any:
        """What became of a job; one that is not waited for any more is dropped."""
        outcome = asyncio.wrap_future(job.outcome)
        try:
            await asyncio.wait(
                {outcome, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if outcome.done():
                return outcome.result()
        finally:
            outcome.cancel()
            self._worker.drop(job)
        if leaving.done():
            raise ClientGone
        raise Refusal(
            504,
            f'The image was not predicted within {self.limits.timeout:g} seconds: '
            'send it again when there is less to do.',
        )

    def _work(self, items: list[Any]) -> list[Any]:
        """What becomes of each item, in the worker's thread: of images, or of one call of `run`."""
        return [self._try(items[0])] if callable(items[0]) else self._predict(items)

    def _try(self, work: Callable[[Any], Any]) -> Any:
        """What some work gives of the predictor, or why it fails."""
        try:
            return work(self._predictor)
        except (DataError, UsageError) as error:
            return Refusal(400, str(error))
        except ValueError as error:  # how models say that they do not take an image of such a size
            return Refusal(422, f'The model refuses the image: {error}')
        except Exception as error:
            _log.exception('A prediction failed')
            return Refusal(
                500,
                f'The model fails with the image ({type(error).__name__}): the log of the server '
                'says more.',
            )

    def _predict(self, contents: list[bytes]) -> list[Result | Exception]:
        """What becomes of each image."""
        outcomes: list[Any] = []
        for content in contents:
            try:
                outcomes.append(decode(content))
            except Refusal as refusal:
                outcomes.append(refusal)
        images = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
        results = iter(self._run(images))
        return [next(results) if isinstance(o, np.ndarray) else o for o in outcomes]

    def _run(self, images: list[np.ndarray]) -> list[Result | Exception]:
        """The model's result for each image; where a batch fails, of each image alone."""
        if len(images) > 1:
            try:
                results = self._predictor(images, batch_size=len(images))
                if len(results) == len(images):
                    return results
            except Exception:
                pass  # the image that is to blame says so below
        return [self._try(methodcaller('__call__', image)) for image in images]
