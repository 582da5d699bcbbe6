"""webpage/shelf.py: models are loaded once, when asked for, and only so many stay."""

import asyncio
from pathlib import Path

import pytest

pytest.importorskip('fastapi')

from classification.engine.errors import CheckpointError
from classification.serving.limits import Limits
from classification.serving.refusal import Refusal
from classification.serving.service import Service
from classification.webpage.choices import Choice
from classification.webpage.shelf import Shelf
from tests.serving import Model

CHOICES = [Choice(name, Path(name), 'classification') for name in 'abcd']


@pytest.fixture
def shelf():
    """(shelf of at most 3, services, paths that were loaded)"""
    loaded = []

    def load(path):
        loaded.append(path.name)
        if path.name == 'd':
            raise CheckpointError('d is broken: train it again.')
        return Model()

    services = [Service(Model(), Limits(queue=2))]
    yield Shelf(CHOICES, load, services, most=3), services, loaded
    for service in services:
        service.stop()


async def use(shelf, *names):
    used = []
    for name in names:
        async with shelf.place(name) as service:
            assert service.taken == 1
            used.append(service)
    return used


def test_a_model_is_loaded_when_it_is_asked_for(shelf):
    shelf, services, loaded = shelf
    assert shelf.held == ['a'] and not loaded
    first, second, again = asyncio.run(use(shelf, 'a', 'b', 'b'))
    assert first is services[0] and second is again is services[1] and loaded == ['b']


def test_many_ask_for_one_model_at_one_time(shelf):
    shelf, services, loaded = shelf

    async def ask():
        await asyncio.gather(*(use(shelf, name) for name in 'bcbc'), return_exceptions=True)

    asyncio.run(ask())
    assert sorted(loaded) == ['b', 'c'] and len(services) == 3


def test_the_one_asked_for_longest_ago_leaves_and_never_the_first():
    services = [Service(Model(), Limits())]
    shelf = Shelf(CHOICES, lambda path: Model(), services, most=3)
    _, c, _ = asyncio.run(use(shelf, 'b', 'c', 'b'))
    asyncio.run(use(shelf, 'd'))
    assert c.stopped and c not in services and sorted(shelf.held) == ['a', 'b', 'd']
    asyncio.run(use(shelf, 'c', 'b'))
    assert sorted(shelf.held) == ['a', 'b', 'c'] and len(services) == 3
    for service in services:
        assert not service.stopped
        service.stop()


def test_a_model_at_work_does_not_leave(shelf):
    shelf, services, _ = shelf

    async def ask():
        async with shelf.place('b') as b, shelf.place('c'):
            with pytest.raises(Refusal, match='All 3 models in memory are at work') as refused:
                await use(shelf, 'd')
            assert refused.value.status == 503 and not b.stopped

    asyncio.run(ask())
    assert len(services) == 3


def test_what_cannot_be_loaded_is_refused_and_asked_for_again(shelf):
    shelf, services, loaded = shelf
    for _ in range(2):
        with pytest.raises(Refusal, match='d is broken: train it again'):
            asyncio.run(use(shelf, 'd'))
    assert loaded == ['d', 'd'] and len(services) == 1


@pytest.mark.parametrize('name', ['', '../a', '/etc/passwd', 'none'])
def test_another_name(shelf, name):
    with pytest.raises(Refusal, match='no such model'):
        asyncio.run(use(shelf[0], name))
    assert not shelf[2]
