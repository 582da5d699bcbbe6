"""The page: what its parts are, and what happens when they are used."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Response
from PIL import Image

from ..engine.errors import DataError
from ..engine.images import read_image
from ..results import ClassMap
from ..serving.decoding import FORMATS
from ..serving.refusal import Refusal
from ..serving.replies import THRESHOLDS
from ..serving.service import Service
from .door import Door
from .explaining import explain
from .selection import found, select
from .sessions import Session, Sessions, Shown
from .shelf import Shelf
from .uploads import Uploads, add_route
from .view import address, files, thumbnail, view

PATH = '/page'
_NONE = 'none'
_HERE = Path(__file__).parent
_SESSIONS = 30  # of which Gradio keeps what it has sent last


def mount(app: FastAPI, shelf: Shelf) -> None:
    """Add the page to an application of `serving.app`, below PATH."""
    service: Service = app.state.service
    uploads = Uploads(service.limits.queue)
    add_route(app, '/upload', uploads)
    os.environ.setdefault('GRADIO_ANALYTICS_MAX_EVENTS', '1')  # it sums all up after each
    page = _build(_Answers(shelf, uploads, service.limits.timeout), service.limits.queue)
    page.state_session_capacity = _SESSIONS
    system = ['system-ui', 'sans-serif']  # other fonts would come from another server
    gr.mount_gradio_app(
        app,
        page,
        PATH,
        allowed_paths=[],
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Base(primary_hue='blue', font=system, font_mono=['monospace']),
        css_paths=[_HERE / 'page.css'],
    )
    app.get('/favicon.ico', include_in_schema=False)(lambda: Response(status_code=204))
    app.add_middleware(Door, path=PATH, service=service)


class _Answers:
    """What the page answers; of the browser it takes names, numbers and tickets.

    Args:
        shelf: the models.
        uploads: where images come in.
        seconds: until a prediction.
    """

    def __init__(self, shelf: Shelf, uploads: Uploads, seconds: float):
        self.shelf, self._uploads, self._seconds = shelf, uploads, seconds
        self.sessions = Sessions()

    def of_task(self, task: str) -> list[str]:
        """Names of the models of a task."""
        return [choice.name for choice in self.shelf.choices.values() if choice.task == task]

    def examples(self, model: str) -> list[str]:
        """Small pictures of a model's examples, as addresses."""
        choice = self.shelf.choices.get(model)
        pictures = []
        for path in choice.examples if choice else ():
            try:
                pictures.append(thumbnail(Image.fromarray(read_image(path, formats=FORMATS))))
            except DataError:
                pictures.append('')
        return pictures

    async def take(self, session: Session, models: Sequence[str], details: dict[str, Any]) -> None:
        """A new image, by its ticket or the number of an example, predicted.

        Raises:
            Refusal: it is not there.
        """
        async with session.turn:
            if 'example' in details:
                choice = self.shelf.choices.get(models[0])
                number = details['example']
                if not choice or number not in range(len(choice.examples)):
                    raise Refusal(410, 'There is no such example: load the page again.')
                session.content = await asyncio.to_thread(choice.examples[number].read_bytes)
            else:
                session.content = self._uploads.take(details.get('ticket'))
            session.shown = [None, None]
            await self._predict(session, models)

    async def choose(self, session: Session, models: Sequence[str]) -> None:
        """Other models for the image that is there."""
        async with session.turn:
            if session.content:
                await self._predict(session, models)

    async def _predict(self, session: Session, models: Sequence[str]) -> None:
        """Bring both sides of a session up to date; what is there already stays."""

        async def answer(side: int, model: str) -> Shown | None:
            shown = session.shown[side]
            if shown and shown.model == model and shown.result:
                return shown
            return None if model == _NONE else await self._ask(session.content, model)

        session.shown = [*await asyncio.gather(*map(answer, range(2), models))]

    async def _ask(self, content: bytes, model: str) -> Shown:
        try:
            async with self.shelf.place(model) as service:
                start = time.perf_counter()
                forever = asyncio.get_running_loop().create_future()
                result = await service.predict(content, self._seconds, forever)
                milliseconds = 1000 * (time.perf_counter() - start)
        except Refusal as refusal:
            return Shown(model, message=refusal.sentence)
        facts = [f'{milliseconds:.0f} ms']
        if service.backbone:
            facts.append(f'backbone {service.backbone}')
        if service.parameters:
            facts.append(f'{service.parameters / 1e6:.2f} M parameters')
        return Shown(model, ' · '.join(facts), result)

    async def explain(self, session: Session, side: int, x: float, y: float) -> dict[str, Any]:
        """What a point attends to, as a part of a viewer's value."""
        shown = session.shown[side]
        if not shown or not shown.result:
            return {}
        picture = shown.result.image
        try:
            async with self.shelf.place(shown.model) as service:
                drawn = await service.run(
                    lambda predictor: explain(predictor, picture, (x, y), shown.model),
                    self._seconds,
                )
        except Refusal as refusal:
            return {'message': refusal.sentence}
        return {'point': [x, y], 'explained': address(drawn)}


def draw(shown: Shown | None, threshold: float, classes: Sequence[str]) -> dict[str, Any] | None:
    """The value of a viewer; no model is asked."""
    if not shown:
        return None
    value = {'model': shown.model, 'facts': shown.facts, 'message': shown.message}
    if shown.result:
        value |= view(select(shown.result, threshold, classes))
    return value


def _build(answers: _Answers, places: int) -> gr.Blocks:
    """The parts of the page, and which function answers which event."""
    tasks = [*dict.fromkeys(choice.task for choice in answers.shelf.choices.values())]
    names = answers.of_task(tasks[0])
    with gr.Blocks(title='See a model at work', analytics_enabled=False) as page:
        gr.Markdown('## See a model at work')
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                task = gr.Radio(tasks, value=tasks[0], label='Task')
                first = gr.Dropdown(names, value=names[0], label='Model')
                second = gr.Dropdown([_NONE, *names], value=_NONE, label='Beside it')
                chooser = gr.HTML(
                    html_template=_text('chooser.html'), js_on_load=_text('chooser.js')
                )
                threshold = gr.Slider(0, 1, THRESHOLDS[tasks[0]], step=0.01, label='Least score')
                classes = gr.Dropdown([], multiselect=True, label='Classes (none chosen: all)')
            with gr.Column(scale=3, min_width=320):
                with gr.Row():
                    viewers = [
                        gr.HTML(
                            html_template=_text('viewer.html'),
                            js_on_load=_text('viewer.js'),
                            min_width=320,
                            visible=side == 0,
                            elem_id=f'side{side}',
                        )
                        for side in range(2)
                    ]
        models, choice = [first, second], [threshold, classes]

        def session_of(request: gr.Request) -> Session:
            return answers.sessions[str(request.session_hash)]

        def drawn(session: Session, wanted: Sequence[Any]) -> list[Any]:
            return [
                gr.update(value=draw(shown, *wanted), visible=side == 0 or shown is not None)
                for side, shown in enumerate(session.shown)
            ]

        async def all_parts(session: Session, least: float, chosen: Sequence[str]) -> list[Any]:
            """The values of both viewers, and of what selects from them."""
            results = [shown.result for shown in session.shown if shown and shown.result]
            known = [*dict.fromkeys(name for result in results for name in found(result))]
            kept = [name for name in chosen if name in known]
            scored = any(not isinstance(result, ClassMap) for result in results)
            return [
                *await asyncio.to_thread(drawn, session, (least, kept)),
                gr.update(visible=scored or not results),
                gr.update(choices=known, value=kept),
            ]

        async def take(
            one: str, two: str, least: float, chosen: list[str], e: gr.EventData, r: gr.Request
        ) -> list[Any]:
            session = session_of(r)
            try:
                await answers.take(session, (one, two), e._data or {})
            except Refusal as refusal:
                session.shown = [Shown(one, message=refusal.sentence), None]
            return await all_parts(session, least, chosen)

        async def choose(
            one: str, two: str, least: float, chosen: list[str], r: gr.Request
        ) -> list[Any]:
            session = session_of(r)
            await answers.choose(session, (one, two))
            return await all_parts(session, least, chosen)

        def select_again(least: float, chosen: list[str], r: gr.Request) -> list[Any]:
            return drawn(session_of(r), (least, chosen))

        def change_task(name: str) -> list[Any]:
            names = answers.of_task(name)
            return [
                gr.update(choices=names, value=names[0]),
                gr.update(choices=[_NONE, *names], value=_NONE),
                THRESHOLDS[name],
            ]

        def leave(r: gr.Request) -> None:
            answers.sessions.forget(str(r.session_hash))

        everything = [*viewers, threshold, classes]
        quiet: Any = dict(api_visibility='private', show_progress='hidden')
        busy: Any = dict(
            api_visibility='private',
            show_progress='minimal',
            show_progress_on=viewers,
            concurrency_limit=places,
        )
        chooser.take(take, [*models, *choice], everything, trigger_mode='once', **busy)
        gr.on(
            [first.change, second.change],
            choose,
            [*models, *choice],
            everything,
            trigger_mode='always_last',
            **busy,
        )
        gr.on([first.change, page.load], answers.examples, first, chooser, **quiet)
        task.input(change_task, task, [*models, threshold], **quiet)
        gr.on(
            [threshold.change, classes.input],
            select_again,
            choice,
            viewers,
            trigger_mode='always_last',
            concurrency_limit=2,
            **quiet,
        )
        for side, viewer in enumerate(viewers):
            _connect(answers, session_of, viewer, side, choice, busy)
        page.unload(leave)
    return page.queue(max_size=4 * places)


def _connect(
    answers: _Answers, session_of: Any, viewer: gr.HTML, side: int, choice: list[Any], busy: Any
) -> None:
    """Let one viewer's points be explained, and its result be saved."""

    async def explain_point(
        least: float, chosen: list[str], e: gr.EventData, r: gr.Request
    ) -> dict[str, Any] | None:
        session = session_of(r)
        value = await asyncio.to_thread(draw, session.shown[side], least, chosen)
        x, y = (min(max(float(e._data[key]), 0.0), 0.999999) for key in ('x', 'y'))
        return value and value | await answers.explain(session, side, x, y)

    def save(
        least: float, chosen: list[str], e: gr.EventData, r: gr.Request
    ) -> dict[str, Any] | None:
        shown = session_of(r).shown[side]
        value = draw(shown, least, chosen)
        if shown and shown.result and value:
            suffix, content = files(select(shown.result, least, chosen), str(e._data['kind']))
            value['file'] = shown.model.replace('/', '-') + suffix, content
        return value

    viewer.explain(explain_point, choice, viewer, **busy)
    viewer.save(save, choice, viewer, **busy)


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding='utf-8')
