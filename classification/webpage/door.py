"""What of Gradio is let through: the page, and plain values of its events.

Gradio serves files by their paths, uploads to its own folder, fetches what a value names by its
address, passes requests on to other servers, and more, whatever an application uses. This page uses
none of it, so none of it is reached: no path and no address comes from a browser.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from ..serving.service import Service

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_OPEN = {
    'GET': re.compile(
        r'/|/config|/theme\.css|/(assets|static)/[\w./-]+'
        r'|/gradio_api/(startup-events|queue/data|heartbeat/\w+)'
    ),
    'POST': re.compile(r'/gradio_api/queue/join'),
}
_MOST_BYTES = 2**16  # of an event: names, numbers and a ticket
_SECONDS = 10.0
_LOOK_SECONDS = 0.2
# The page needs nothing from elsewhere; with this a browser would not fetch it either. Gradio's
# templates are compiled in the browser.
_HEADERS = {
    'content-security-policy': "default-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
}


class Door:
    """ASGI middleware before an application in which Gradio's is mounted.

    Args:
        app: the application.
        path: where Gradio's is mounted; whatever is not below it is let through.
        service: of the server; when it is stopped, what waits for events is told to leave.
    """

    def __init__(self, app: _App, path: str, service: Service):
        self._app, self._path, self._service = app, path, service

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        path = scope.get('path', '').removeprefix(scope.get('root_path', ''))
        if scope['type'] == 'http' and path.startswith(f'{self._path}/'):
            await self._guard(path.removeprefix(self._path), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guard(self, path: str, scope: _Message, receive: _Receive, send: _Send) -> None:
        async def send_safely(message: _Message) -> None:
            if message['type'] == 'http.response.start':
                added = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message['headers'] = [*message['headers'], *added]
            await send(message)

        async def refuse(status: int, sentence: str) -> None:
            await JSONResponse({'detail': sentence}, status)(scope, receive, send_safely)

        pattern = _OPEN.get(scope['method'])
        if not pattern or not pattern.fullmatch(path) or '..' in path:
            await refuse(404, f'There is nothing here: the page is {self._path}/.')
            return
        if scope['method'] == 'POST':
            body = await _read(receive)
            if body is None or not _is_plain(body):
                await refuse(422, 'This is no event of the page: load the page again.')
                return
            receive = _given(body, receive)
        await self._app(scope, self._until_stopped(receive), send_safely)

    def _until_stopped(self, receive: _Receive) -> _Receive:
        """`receive`, which says that the client has left as soon as the server is being stopped."""

        async def receive_or_stop() -> _Message:
            message = asyncio.ensure_future(receive())
            try:
                while not self._service.stopped:
                    if (await asyncio.wait({message}, timeout=_LOOK_SECONDS))[0]:
                        return message.result()
                return {'type': 'http.disconnect'}
            finally:
                message.cancel()

        return receive_or_stop


async def _read(receive: _Receive) -> bytes | None:
    """The body of a request; None where it is too large, slow, or does not end."""

    async def read() -> bytes | None:
        body, more = b'', True
        while more and len(body) <= _MOST_BYTES:
            message = await receive()
            if message['type'] != 'http.request':
                return None
            body, more = body + message.get('body', b''), message.get('more_body', False)
        return None if more or len(body) > _MOST_BYTES else body

    try:
        return await asyncio.wait_for(read(), _SECONDS)
    except asyncio.TimeoutError:
        return None


def _given(body: bytes, receive: _Receive) -> _Receive:
    """`receive` of a request whose body has been read."""
    messages = [{'type': 'http.request', 'body': body, 'more_body': False}]

    async def receive_given() -> _Message:
        return messages.pop() if messages else await receive()

    return receive_given


def _is_plain(body: bytes) -> bool:
    """Whether the values of an event are numbers, texts and lists of texts.

    Gradio takes any object in them that looks like one of its own for a file.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(event, dict) or not isinstance(event.get('data'), list):
        return False
    details = event.get('event_data') or {}
    rest = [value for key, value in event.items() if key not in ('data', 'event_data')]
    texts = [value if isinstance(value, list) else [value] for value in event['data']]
    values = [*rest, *(value for list_ in texts for value in list_)]
    return isinstance(details, dict) and not any(
        isinstance(value, (dict, list)) for value in [*values, *details.values()]
    )
