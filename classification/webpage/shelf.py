"""Models by name, each behind a queue of its own, of which only some are in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..engine.errors import EXPECTED
from ..serving.refusal import Refusal, busy
from ..serving.service import Service
from .choices import Choice


class Shelf:
    """The models of the page; one is loaded when it is first asked for.

    Args:
        choices: the models; the first is that of the API, which always stays.
        load: path -> predictor.
        services: receives the services of all models that are in memory, so that the server can
            stop them; it holds that of the first choice already.
        most: models in memory, the first included. For one more, the one that was not asked for
            longest leaves.

    Attributes:
        choices: name -> choice.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        load: Callable[[Path], Any],
        services: list[Service],
        most: int = 3,
    ):
        self.choices = {choice.name: choice for choice in choices}
        self._load, self._services, self._most = load, services, most
        self._first = choices[0].name
        self._held = {self._first: services[0]}  # those asked for last come last
        self._loading = asyncio.Lock()

    @property
    def held(self) -> list[str]:
        """Names of the models that are in memory."""
        return [*self._held]

    @asynccontextmanager
    async def place(self, name: str) -> AsyncIterator[Service]:
        """The service of a model, with room for a request.

        Raises:
            Refusal: there is no such model, it cannot be loaded, or all places are taken.
        """
        if name not in self.choices:
            raise Refusal(422, 'There is no such model here: choose one of the list.')
        if name not in self._held:
            async with self._loading:
                if name not in self._held:
                    self._make_room()
                    self._held[name] = await asyncio.to_thread(self._make, name)
                    self._services.append(self._held[name])
        # From the look-up to the place nothing else runs, so the model cannot leave in between.
        service = self._held[name] = self._held.pop(name)
        with service.place():
            yield service

    def _make(self, name: str) -> Service:
        try:
            return Service(self._load(self.choices[name].path), self._services[0].limits)
        except EXPECTED as error:
            raise Refusal(422, str(error)) from None

    def _make_room(self) -> None:
        idle = [name for name in self._held if name != self._first and not self._held[name].taken]
        if len(self._held) >= self._most:
            if not idle:
                raise busy(f'All {self._most} models in memory are at work: try again in a while.')
            service = self._held.pop(idle[0])
            self._services.remove(service)
            service.stop()
