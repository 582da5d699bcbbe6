"""What tests of the web page share: a server of models, and what a browser does, without one."""

import http.client
import io
import itertools
import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from classification.engine.prediction.predictor import Predictor
from classification.results import ClassMap, Instances
from classification.results.instances import Mask
from classification.serving.app import create_app
from classification.serving.limits import Limits
from classification.webpage.choices import Choice
from classification.webpage.shelf import Shelf
from tests.results import NAMES, PALETTE
from tests.serving import Model, ask, served

LIMITS = Limits(max_bytes=50_000, max_pixels=10_000, queue=8, timeout=20)
_numbers = itertools.count()


class Finder:
    """Finds a cat in the left half, as sure as the image is bright, and an owl of 0.5 elsewhere."""

    def __init__(self):
        self.calls = -1

    def __call__(self, image):
        self.calls += 1
        height, width = image.shape[:2]
        left = np.arange(width)[None] < width // 2
        masks = [np.broadcast_to(mask, (height, width)) for mask in (left, ~left)]
        boxes = [[0, 0, width // 2, height], [width // 2, 0, width, height]]
        scores = np.array([float(image[0, 0, 0]) / 255, 0.5])
        return Instances(
            image,
            NAMES,
            PALETTE,
            np.array(boxes, float),
            np.array([0, 2]),
            scores,
            [Mask.of(mask) for mask in masks],
        )


def mapper(image):
    """Cats in the upper half of an image, dogs below."""
    labels = np.zeros(image.shape[:2], int)
    labels[len(labels) // 2 :] = 1
    return ClassMap(image, NAMES, PALETTE, labels)


def random_predictor(cfg, folder):
    """A config's model with random weights, the same each time."""
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    meta = dict(dataset_meta=dict(classes=[f'{name}{i}' for name in NAMES for i in range(5)]))
    path = Path(folder) / 'random.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta=meta), path)
    return Predictor(cfg, path, device='cpu')


@contextmanager
def page(folder, further=None, **limits):
    """(port, models by name) of a server with a page of four models of three tasks.

    Args:
        folder: for files.
        further: name -> (task, model) of more.
        limits: those of LIMITS that are others.
    """
    from classification.webpage.page import mount

    example = Path(folder) / 'example.png'
    Image.new('RGB', (40, 30), (204, 204, 204)).save(example)
    models = {'finder': Finder(), 'other': Finder(), 'mapper': mapper, 'grey': Model()}
    tasks = dict(
        finder='detection', other='detection', mapper='segmentation', grey='classification'
    )
    for name, (task, model) in (further or {}).items():
        models[name], tasks[name] = model, task
    choices = [Choice(name, Path(name), task, (example,)) for name, task in tasks.items()]
    app = create_app(models['finder'], Limits(**{**vars(LIMITS), **limits}), 'finder')
    mount(app, Shelf(choices, lambda path: models[path.name], app.state.services))
    with served(app) as port:
        yield port, models
    for service in app.state.services:
        service.stop()


class Visitor:
    """Does what the page's script does in a browser, in a session of its own.

    Attributes:
        events: name of a function of page.py -> the event that it answers.
        values: what the two viewers show, None where that is hidden or empty.
        choices: the classes that can be chosen.
    """

    def __init__(self, port):
        self.port, self.key = port, f'visitor{next(_numbers)}'
        config = json.loads(ask(port, path='/page/config').body)
        self.events = {event['api_name']: event for event in config['dependencies']}
        self._parts = {part['id']: part for part in config['components']}
        sides = [p['id'] for p in config['components'] if p['props'].get('elem_id', '') > 'side']
        self._sides, self.values, self.choices = sides, [None, None], []
        self.models, self.least, self.classes = ['finder', 'none'], 0.3, []

    def upload(self, content, kind='image/png'):
        """The server's answer to a file."""
        return ask(self.port, 'POST', '/upload', content, Content_Type=kind)

    def take(self, content):
        """Send an image and see what is in it."""
        return self.event('take', dict(ticket=self.upload(content).json['ticket']))

    def event(self, name, details=None):
        """Let a function of page.py answer; the values of all parts are those of this visitor."""
        return self.send(name, [self._value(part) for part in self.events[name]['inputs']], details)

    def show(self, task, model):
        """Choose another task, and a model of it."""
        assert self.send('change_task', [task])['success']
        self.models, self.least = [model, 'none'], 0.0

    def send(self, name, data, details=None):
        """An event as the script sends it, with whatever data; the final message of the server."""
        answer = self.post(name, data, details)
        assert answer.status == 200, answer.body
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        try:
            connection.request('GET', f'/page/gradio_api/queue/data?session_hash={self.key}')
            for line in connection.getresponse():
                message = json.loads(line[5:]) if line.startswith(b'data:') else {}
                if message.get('msg') == 'process_completed':
                    break
            else:
                raise AssertionError('the server has not answered')
        finally:
            connection.close()
        if message['success']:
            parts = self.events[name]['outputs']
            for part, output in zip(parts, message['output']['data'], strict=True):
                self._update(part, output)
        return message

    def post(self, name, data, details=None):
        """The answer to an event, before it is worked at."""
        number = self.events[name]['id']
        body = dict(data=data, event_data=details, fn_index=number, session_hash=self.key)
        headers = dict(Content_Type='application/json')
        return ask(self.port, 'POST', '/page/gradio_api/queue/join', json.dumps(body), **headers)

    def _value(self, part):
        label = self._parts[part]['props'].get('label')
        return {
            'Model': self.models[0],
            'Beside it': self.models[1],
            'Least score': self.least,
            'Classes (none chosen: all)': self.classes,
        }.get(label)

    def _update(self, part, output):
        if part in self._sides:
            update = isinstance(output, dict) and output.get('__type__') == 'update'
            self.values[self._sides.index(part)] = output['value'] if update else output
        elif str(self._parts[part]['props'].get('label')).startswith('Classes'):
            self.choices = [name for name, _ in output['choices']]


def bright(value, size=(40, 30)):
    """The content of a PNG of one grey, from 0 to 1."""
    file = io.BytesIO()
    Image.new('RGB', size, (round(255 * value),) * 3).save(file, 'PNG')
    return file.getvalue()
