"""Answers that are given before the request's body was read."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_SECONDS = 2.0


class EarlyAnswers:
    """ASGI middleware: what becomes of the body of a request that is refused.

    A client that still sends when its connection is closed may lose the answer. So the rest of the
    body is received and thrown away first, for a short time and up to a size; then the connection
    is closed, since a further request could only begin after the body. Nothing is received of a
    body that is too large, or that the client holds back to see the answer.

    Args:
        app: what answers.
        max_bytes: that are thrown away of a body.
    """

    def __init__(self, app: _App, max_bytes: int):
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        unread = True

        async def receive_body() -> _Message:
            nonlocal unread
            message = await receive()
            unread = message['type'] == 'http.request' and message.get('more_body', False)
            return message

        async def discard() -> None:
            count = 0
            while unread and count <= self._max_bytes:
                count += len((await receive_body()).get('body', b''))

        async def send_answer(message: _Message) -> None:
            if message['type'] == 'http.response.start' and message['status'] >= 400 and unread:
                held_back = any(name == b'expect' for name, _ in scope['headers'])
                if message['status'] != 413 and not held_back:
                    try:
                        await asyncio.wait_for(discard(), _SECONDS)
                    except asyncio.TimeoutError:
                        pass
                if unread:
                    message['headers'] = [*message['headers'], (b'connection', b'close')]
            await send(message)

        await self._app(scope, receive_body, send_answer)
