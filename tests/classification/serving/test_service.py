"""serving/service.py: other work than predicting, in the model's turn."""

import asyncio
import threading

import pytest

pytest.importorskip('fastapi')

from classification.engine.errors import DataError, UsageError
from classification.serving.limits import Limits
from classification.serving.refusal import Refusal
from classification.serving.service import Service
from tests.serving import Model, grey_png


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def service(model):
    service = Service(model, Limits())
    yield service
    service.stop()


def test_work_is_given_the_predictor_in_the_thread_of_predictions(service, model):
    def work(predictor):
        return predictor, threading.current_thread().name

    assert asyncio.run(service.run(work, 20)) == (model, 'worker')


def test_work_and_predictions_take_turns(service, model):
    async def ask():
        model.gate.clear()
        never = asyncio.get_running_loop().create_future
        prediction = asyncio.ensure_future(service.predict(grey_png(0), 20, never()))
        while not model.begun:
            await asyncio.sleep(0.005)
        work = asyncio.ensure_future(service.run(lambda predictor: len(predictor.batches), 20))
        await asyncio.sleep(0.05)
        assert not work.done() and service.waiting == 1
        model.gate.set()
        await prediction
        return await work

    assert asyncio.run(ask()) == 2  # the look at a plain image, and the prediction


@pytest.mark.parametrize(
    ('error', 'status', 'sentence'),
    [
        (UsageError('There is no such point.'), 400, 'There is no such point.'),
        (DataError('It is damaged.'), 400, 'It is damaged.'),
        (ValueError('odd size'), 422, 'The model refuses the image: odd size'),
        (RuntimeError('secret'), 500, 'The model fails with the image .RuntimeError.'),
    ],
)
def test_work_that_fails(service, error, status, sentence):
    def work(predictor):
        raise error

    with pytest.raises(Refusal, match=sentence) as refused:
        asyncio.run(service.run(work, 20))
    assert refused.value.status == status and 'secret' not in refused.value.sentence


def test_work_that_does_not_come_in_time(service):
    begun, gate = threading.Event(), threading.Event()

    def work(predictor):
        begun.set()
        gate.wait()

    waiting = threading.Thread(target=lambda: asyncio.run(service.run(work, 20)))
    waiting.start()
    try:
        begun.wait()
        with pytest.raises(Refusal, match='not predicted within'):
            asyncio.run(service.run(lambda predictor: None, 0.05))
        assert service.waiting == 0
    finally:
        gate.set()
        waiting.join()


def test_what_a_model_is(model):
    service = Service(model, Limits())
    service.stop()
    assert service.backbone is service.parameters is None
