"""The image in a request: its body, or the one file of a form, never more than the limit of it."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .refusal import Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_HOW = 'send the image as the body, with a content type such as image/jpeg, or as a file of a form.'


async def read_upload(request: Request, max_bytes: int) -> bytes:
    """The content of the image file that a request brings.

    Raises:
        Refusal: there is none, or several, or the body has over `max_bytes`, of which no more are
            read.
    """
    kind, options = parse_options_header(request.headers.get('content-type'))
    if request.headers.get('content-encoding', 'identity') != 'identity':
        raise Refusal(415, 'The body is compressed once more: send the image file as it is.')
    if int(request.headers.get('content-length', 0)) > max_bytes:  # the server checks the digits
        raise _too_large(max_bytes)
    if kind.startswith(b'image/'):
        content = bytearray()
        async for chunk in _bounded(request, max_bytes):
            content += chunk
    elif kind == b'multipart/form-data' and options.get(b'boundary'):
        content = await _read_form(request, options[b'boundary'], max_bytes)
    else:
        raise Refusal(415, f'The content type is none that is taken: {_HOW}')
    if not content:
        raise Refusal(400, f'The request has no image: {_HOW}')
    return bytes(content)


async def _read_form(request: Request, boundary: bytes, max_bytes: int) -> bytearray:
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in _bounded(request, max_bytes):
            parser.write(chunk)
    except FormParserError:
        raise Refusal(400, f'The form is damaged: {_HOW}') from None
    if not form.ended:
        raise Refusal(400, 'The form ends early: send it whole.')
    if form.files > 1:
        raise Refusal(400, 'The form has several files: send one image in each request.')
    return form.content


class _Form:
    """What a parser finds in a form: the first file's content; fields that are none are skipped.

    Attributes:
        content: of the file. What the client calls it is not looked at.
        files: how many there are.
        ended: whether the form is complete.
    """

    def __init__(self) -> None:
        self.content, self.files, self.ended = bytearray(), 0, False
        self._name, self._value, self._is_file = bytearray(), bytearray(), False

    def callbacks(self) -> 'MultipartCallbacks':
        return {
            'on_part_begin': self._begin,
            'on_header_field': self._add_name,
            'on_header_value': self._add_value,
            'on_header_end': self._end_header,
            'on_part_data': self._add_data,
            'on_end': self._end,
        }

    def _begin(self) -> None:
        self._is_file = False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b'content-disposition':
            _, options = parse_options_header(self._value.decode('latin-1'))
            self._is_file = b'filename' in options
            self.files += self._is_file
        self._name, self._value = bytearray(), bytearray()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file and self.files == 1:
            self.content += data[start:end]

    def _end(self) -> None:
        self.ended = True


async def _bounded(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The parts of a request's body as they come, up to `max_bytes`."""
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(
        413, f'The body has more than the {max_bytes} bytes that are taken: shrink the image.'
    )
