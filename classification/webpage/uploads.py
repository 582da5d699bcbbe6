"""Images on their way from the browser to a session."""

import asyncio
import secrets
from collections import OrderedDict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from ..serving.decoding import check_size
from ..serving.refusal import Refusal
from ..serving.service import Service
from ..serving.upload import read_upload


class Uploads:
    """Contents of image files by one-time tickets, which nobody can guess.

    Args:
        most: contents at one time; for one more the oldest, which nobody fetched, is dropped.
    """

    def __init__(self, most: int):
        self._most = most
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def add(self, content: bytes) -> str:
        """The ticket of a content."""
        ticket = secrets.token_urlsafe(16)
        self._contents[ticket] = content
        if len(self._contents) > self._most:
            self._contents.popitem(last=False)
        return ticket

    def take(self, ticket: object) -> bytes:
        """The content of a ticket, once.

        Raises:
            Refusal: there is none.
        """
        content = self._contents.pop(ticket, None) if isinstance(ticket, str) else None
        if content is None:
            raise Refusal(410, 'The image is not here any more: send it again.')
        return content


def add_route(app: FastAPI, path: str, uploads: Uploads) -> None:
    """Let an application of `serving` take images by POST, within the limits of its API."""
    service: Service = app.state.service
    limits = service.limits

    @app.post(path, include_in_schema=False)
    async def upload(request: Request) -> JSONResponse:
        with service.place():
            try:
                content = await asyncio.wait_for(
                    read_upload(request, limits.max_bytes), limits.timeout
                )
            except asyncio.TimeoutError:
                raise Refusal(
                    408, f'The image did not come within {limits.timeout:g} seconds: try again.'
                ) from None
            await asyncio.to_thread(check_size, content, limits.max_pixels)
            return JSONResponse({'ticket': uploads.add(content)})
