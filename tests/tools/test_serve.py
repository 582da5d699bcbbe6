"""tools/serve.py: a trained model of each task as a process that clients ask."""

import base64
import io
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

pytest.importorskip('fastapi')
pytest.importorskip('uvicorn')
pytest.importorskip('python_multipart')

import classification
import classification.exported
import detection
import segmentation
from classification.serving.app import create_app
from classification.serving.limits import Limits
from classification.serving.load import try_server
from tests.exported import write_model
from tests.helpers import ROOT
from tests.serving import Exchange, ask, predict, served
from tests.webpage import Visitor

LOADED = dict(classification=classification.load, segmentation=segmentation.load)
SCENES = Path('data/digits/coco/val2017')


@contextmanager
def tool(*arguments):
    """(process, port) of tools/serve.py, which must end well by SIGTERM."""
    command = [sys.executable, str(ROOT / 'tools/serve.py'), *map(str, arguments), '--port', '0']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in server.stdout:
            if line.startswith('Ready at '):
                break
        else:
            raise AssertionError(server.stderr.read())
        yield int(line.split()[2].rsplit(':', 1)[1].partition('/')[0])
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, server.stderr.read()
    finally:
        server.kill()
        server.communicate()


def test_a_process_gives_what_the_model_does_to_many_clients(trained, here):
    images, model = _images(), detection.load(trained('detection'), device='cpu')
    with tool(trained('detection'), '--device', 'cpu') as port:
        _check('detection', model, images, port)
        found = try_server(f'http://127.0.0.1:{port}', images, clients=16, requests=48)
    assert len(found.times) == 48 and not found.different and not found.errors


@pytest.mark.parametrize('task', ['classification', 'segmentation'])
def test_the_other_tasks(task, trained, here):
    model = LOADED[task](trained(task), device='cpu')
    with served(create_app(model, Limits(), task)) as port:
        _check(task, model, _images(), port)
        if task == 'segmentation':
            answer = predict(port, _images()[0], '?format=png')
            assert (_pixels(answer.body) == model(_images()[0]).map).all()
            file = io.BytesIO()
            Image.new('RGB', (1500, 40)).save(file, 'PNG')
            refused = predict(port, file.getvalue())
            assert refused.status == 422 and 'needs images of at least' in refused.json['detail']


def test_an_exported_model(here):
    path = write_model(here / 'colours.onnx', 'classification')
    images, model = _images(), classification.exported.load(path)
    with tool(path) as port:
        health = ask(port).json
        assert (health['task'], health['parameters']) == ('classification', None)
        assert health['classes'] == ['red', 'green', 'blue']
        for image in images:
            _compare('classification', model(image), predict(port, image, '?threshold=0').json)


@pytest.mark.slow
def test_a_page_of_several_models(trained, here):
    pytest.importorskip('gradio')
    one, two = trained('classification'), trained('segmentation')
    with tool('--page', two, one, '--device', 'cpu') as port:
        assert ask(port).json['task'] == 'segmentation'
        page = ask(port, path='/page/')
        assert page.status == 200 and two.name.encode() in page.body
        visitor = Visitor(port)
        visitor.show('classification', one.name)
        visitor.take(_images()[0])
        assert len(visitor.values[0]['rows']) == 5
        visitor.event('explain_point', dict(x=0.5, y=0.5))
        assert visitor.values[0]['explained'].startswith('data:image/jpeg')
        # A page that stays open does not keep the server.
        request = b'GET /page/gradio_api/heartbeat/x HTTP/1.1\r\nHost: x\r\n\r\n'
        assert Exchange(port, request).socket.recv(9) == b'HTTP/1.1 '


def _images():
    return [path.read_bytes() for path in sorted(SCENES.glob('*.png'))]


def _check(task, model, images, port):
    """The answers of a server are the results of its model."""
    health = ask(port).json
    assert health['task'] == task and health['classes'] == list(model.classes)
    assert health['parameters'] == sum(p.numel() for p in model.model.parameters())
    for image in images:
        _compare(task, model(image), predict(port, image, '?threshold=0').json)
    overlay = predict(port, images[0], '?format=overlay&threshold=0').body
    assert (_pixels(overlay) == np.asarray(model(images[0]).draw(0))).all()


def _compare(task, result, answer):
    assert (answer['height'], answer['width']) == result.image.shape[:2]
    if task == 'classification':
        assert [(c['class'], c['score']) for c in answer['classes']] == [
            (name, pytest.approx(score, abs=1e-4)) for name, score in result.best()
        ]
    elif task == 'segmentation':
        assert (_pixels(base64.b64decode(answer['png'])) == result.map).all()
        assert {c['class']: c['pixels'] for c in answer['classes']} == result.pixels()
    else:
        assert len(answer['instances']) == len(result) > 0
        for i, found in enumerate(answer['instances']):
            assert found['class'] == result.names[result.labels[i]]
            assert found['score'] == pytest.approx(result.scores[i], abs=1e-4)
            assert (coco.decode(found['segmentation']) == result.masks[i]).all()


def _pixels(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def test_what_is_missing_is_named(script, here, monkeypatch, capsys):
    serve = script('serve')
    monkeypatch.setattr(serve, 'find_spec', lambda name: None)
    with pytest.raises(SystemExit) as stop:
        serve.main(['work_dirs/none'])
    assert stop.value.code == 1
    assert capsys.readouterr().err == (
        'error: Serving needs fastapi, uvicorn, python-multipart, not installed here: '
        'pip install fastapi uvicorn python-multipart.\n'
    )


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['none'], 'none does not exist: give a work dir'),
        (['--port', '0'], 'Name one WORK_DIR'),
        (['none', 'other'], 'or add --page to choose'),
        (['.'], 'holds no config'),
        (['none', '--queue', '0'], 'queue is at least 1, not 0'),
        (['none', '--timeout', 'nan'], 'timeout is a number of seconds above 0'),
    ],
)
def test_mistakes_are_one_sentence(fails, here, arguments, sentence):
    assert sentence in fails('serve', *arguments)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['--page'], 'No work dir with a config and a checkpoint is below work_dirs'),
        (['--page', 'none'], 'none does not exist: give a work dir'),
        (['--page', 'none', 'none'], 'none does not exist: give a work dir'),
    ],
)
def test_mistakes_with_a_page_are_one_sentence(fails, here, arguments, sentence):
    pytest.importorskip('gradio')
    assert sentence in fails('serve', *arguments)
