"""The HTTP API of a model, as an application that any ASGI server can run."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal, cast

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..results import ClassMap
from .early import EarlyAnswers
from .limits import Limits
from .page import api_page
from .refusal import Refusal
from .replies import check_options, draw, draw_map, to_json
from .service import ClientGone, Service
from .upload import read_upload

_REFUSALS = {
    400: 'The image or the form is damaged.',
    408: 'The body did not come in time.',
    413: 'The body has too many bytes, or the image too many pixels.',
    415: 'This is no image that can be read.',
    422: 'The model does not take the image, or has no such option.',
    500: 'The model failed.',
    503: 'All places are taken, or the server is being stopped: come again after Retry-After.',
    504: 'The prediction did not come in time.',
}
_FILE = {'type': 'string', 'format': 'binary'}
_BODY = {
    'requestBody': {
        'required': True,
        'content': {
            'image/*': {'schema': _FILE},
            'multipart/form-data': {
                'schema': {'type': 'object', 'properties': {'image': _FILE}, 'required': ['image']}
            },
        },
    }
}


def create_app(predictor: Callable[..., Any], limits: Limits, name: str = 'model') -> FastAPI:
    """The API of a model: POST /predict, GET /health, and a page that explains them.

    The queue is `app.state.service`, a `Service`: what is mounted beside the API predicts with it,
    so that one model and one set of bounds serve all. `app.state.services` are all that the server
    stops with itself; what is mounted may add more.

    Args:
        predictor, limits: as `Service`.
        name: of the model, for people.

    Raises:
        UsageError: as `Service`.
    """
    service = Service(predictor, limits)
    app = FastAPI(
        title=f'Predictions of {name}',
        description=f'POST an image to /predict; the answer is what a model of {service.task} '
        'finds in it. Every error is JSON with one sentence, as "detail".',
        # FastAPI's own pages load their scripts from other servers.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.services = service, [service]
    app.add_middleware(EarlyAnswers, max_bytes=limits.max_bytes)
    _answer_errors(app)

    @app.post(
        '/predict',
        openapi_extra=_BODY,
        response_class=Response,
        responses={
            200: {
                'description': 'What was found, in pixels of the upright image.',
                'content': {'application/json': {}, 'image/png': {}},
            },
            **{
                status: {'description': text, 'content': {'application/json': {}}}
                for status, text in _REFUSALS.items()
            },
        },
    )
    async def predict(
        request: Request,
        format: Annotated[
            Literal['json', 'overlay', 'png'],
            Query(
                description='overlay: the image with what was found drawn over it, as PNG; '
                'png: the map of classes of a segmentation, with a palette'
            ),
        ] = 'json',
        threshold: Annotated[
            float | None,
            Query(ge=0, le=1, description='least score; by default 0.3 for objects, 0 for classes'),
        ] = None,
        masks: Annotated[
            Literal['rle', 'polygon', 'png'] | None,
            Query(
                description='in JSON; of objects: rle (default) or polygon, in the form of COCO; '
                'of a map: png (default, in base64) or rle of each class'
            ),
        ] = None,
    ) -> Response:
        """Predict one image: the body, with its content type, or a file of a form."""
        check_options(service.task, format, masks)
        clock = asyncio.get_running_loop().time
        deadline = clock() + limits.timeout
        with service.place():
            try:
                content = await asyncio.wait_for(
                    read_upload(request, limits.max_bytes), limits.timeout
                )
            except asyncio.TimeoutError:
                raise Refusal(
                    408, f'The body did not come within {limits.timeout:g} seconds: send it faster.'
                ) from None
            result = await service.predict(
                content, max(0.0, deadline - clock()), _disconnection(request)
            )
            if format == 'json':
                answer = await asyncio.to_thread(to_json, result, threshold, masks)
                return JSONResponse(answer)
            if format == 'png':
                png = await asyncio.to_thread(draw_map, cast(ClassMap, result))
            else:
                png = await asyncio.to_thread(draw, result, threshold)
            return Response(png, media_type='image/png')

    def state() -> dict[str, Any]:
        return {
            'status': 'stopping' if service.stopped else 'ok',
            'model': name,
            'task': service.task,
            'classes': service.classes,
            'parameters': service.parameters,
            'queue': service.waiting,
            'served': service.served,
            'limits': vars(limits),
        }

    @app.get('/health')
    async def health() -> JSONResponse:
        """The model, the images that wait for it (queue), and how many it has served."""
        return JSONResponse(state())

    @app.get('/', include_in_schema=False)
    @app.get('/docs', include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        url = str(request.base_url).rstrip('/')
        return HTMLResponse(api_page(app.openapi(), state(), url))

    return app


async def _disconnection(request: Request) -> None:
    """Ends when the client of a request, whose body has been read, has left."""
    while (await request.receive())['type'] != 'http.disconnect':
        pass


def _answer_errors(app: FastAPI) -> None:
    """Let every error be answered by one sentence."""

    @app.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse({'detail': refusal.sentence}, refusal.status, refusal.headers)

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: HTTPException) -> JSONResponse:
        sentence = f'{error.detail}: see / for what there is.'
        return JSONResponse({'detail': sentence}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def refuse_option(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        sentence = f'The option {first["loc"][-1]} is not possible: {first["msg"]}.'
        return JSONResponse({'detail': sentence}, 422)

    @app.exception_handler(ClientGone)
    @app.exception_handler(ClientDisconnect)
    async def forget(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # as nginx calls it; nobody receives it

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({'detail': 'The server failed: its log says more.'}, 500)
