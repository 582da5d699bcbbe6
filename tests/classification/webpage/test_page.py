"""webpage/page.py: the page's answers, asked for as its script does, on a server in a thread."""

import base64
import gc
import json
import socket
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip('gradio')
pytest.importorskip('fastapi')

from tests.serving import Exchange, ask, grey_png, predict, until
from tests.webpage import LIMITS, Visitor, bright, page


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    """(port, models) of a page that all tests share which leave its models as they are."""
    with page(tmp_path_factory.mktemp('page')) as started:
        yield started


@pytest.fixture
def visitor(server):
    return Visitor(server[0])


def labels(value):
    return [name for name, _, _ in value['rows']]


def test_an_image_is_predicted(visitor):
    visitor.take(bright(0.8))
    value, beside = visitor.values
    assert value['model'] == 'finder' and not value['message'] and beside is None
    assert value['rows'] == [['cat', 0.8, '#ff0000'], ['owl', 0.5, '#0000ff']]
    assert ' ms' in value['facts'] and visitor.choices == ['cat', 'owl']


def test_an_example_is_predicted(visitor):
    visitor.event('take', dict(example=0))
    assert visitor.values[0]['rows'][0][:2] == ['cat', 0.8]


def test_threshold_and_classes_ask_no_model(server, visitor):
    visitor.take(bright(0.4))
    calls, picture = server[1]['finder'].calls, visitor.values[0]['picture']
    visitor.least = 0.45
    visitor.event('select_again')
    assert labels(visitor.values[0]) == ['owl'] and visitor.values[0]['picture'] != picture
    visitor.least, visitor.classes = 0.0, ['cat']
    visitor.event('select_again')
    assert labels(visitor.values[0]) == ['cat']
    visitor.classes = []
    visitor.event('select_again')
    assert labels(visitor.values[0]) == ['owl', 'cat']
    assert server[1]['finder'].calls == calls


def test_two_models_side_by_side(server, visitor):
    visitor.take(bright(0.8))
    calls = server[1]['finder'].calls
    visitor.models[1] = 'other'
    visitor.event('choose')
    assert [value['model'] for value in visitor.values] == ['finder', 'other']
    assert visitor.values[0]['picture'] == visitor.values[1]['picture']
    assert server[1]['finder'].calls == calls, 'what is there already is kept'
    visitor.models[1] = 'none'
    visitor.event('choose')
    assert visitor.values[1] is None and visitor.values[0]['rows']


@pytest.mark.parametrize(
    ('task', 'model', 'rows'),
    [
        ('classification', 'grey', ['white', 'black']),
        ('segmentation', 'mapper', ['cat', 'dog']),
        ('detection', 'other', ['cat', 'owl']),
    ],
)
def test_models_of_other_tasks(visitor, task, model, rows):
    visitor.take(bright(0.8))
    visitor.show(task, model)
    visitor.event('choose')
    assert labels(visitor.values[0]) == rows


def test_before_there_is_an_image(visitor):
    for name, details in (('select_again', None), ('choose', None), ('save', dict(kind='json'))):
        assert visitor.event(name, details)['success'] and visitor.values == [None, None]


@pytest.mark.parametrize('kind', ['json', 'png'])
def test_saving(server, visitor, kind):
    image = bright(0.8)
    visitor.take(image)
    visitor.classes = ['cat']
    visitor.event('save', dict(kind=kind))
    name, address = visitor.values[0]['file']
    content = base64.b64decode(address.split(',')[1])
    assert name == f'finder.{kind}'
    if kind == 'json':
        answer = json.loads(content)
        everything = predict(server[0], image).json
        assert answer['instances'] == everything['instances'][:1]
        assert (answer['width'], answer['height']) == (40, 30)
    else:
        assert content.startswith(b'\x89PNG')
    visitor.event('select_again')
    assert 'file' not in visitor.values[0]


def test_a_model_without_attention_says_so(visitor):
    visitor.take(bright(0.8))
    visitor.event('explain_point', dict(x=0.5, y=0.5))
    assert visitor.values[0]['message'].startswith('An exported model tells nothing')
    assert visitor.values[0]['rows']


def test_what_cannot_be_read_is_refused_in_one_sentence(visitor):
    large = grey_png(9, (101, 100))
    for content, kind, status, sentence in (
        (b'no image', 'image/png', 415, 'is no image that can be read'),
        (b'', 'image/png', 400, 'has no image'),
        (b'%!PS-Adobe', 'application/postscript', 415, 'content type is none that is taken'),
        (large, 'image/png', 413, '101 x 100 pixels'),
        (b'x' * 50_001, 'image/png', 413, 'more than the 50000 bytes'),
    ):
        answer = visitor.upload(content, kind)
        assert answer.status == status and sentence in answer.json['detail']
        assert answer.json['detail'].count('. ') == 0


def test_a_damaged_image_is_refused_where_it_is_predicted(visitor):
    visitor.take(bright(0.8))
    image = grey_png(9, (60, 50))
    visitor.take(image[:60] + b'damaged' + image[67:])
    assert visitor.values[0]['message'] and 'picture' not in visitor.values[0]
    visitor.event('select_again')
    assert visitor.values[0]['message']
    visitor.take(bright(0.6))
    assert not visitor.values[0]['message'] and visitor.values[0]['rows']


def test_a_ticket_is_taken_once(server, visitor):
    ticket = visitor.upload(bright(0.8)).json['ticket']
    visitor.event('take', dict(ticket=ticket))
    thief = Visitor(server[0])
    for details in (dict(ticket=ticket), dict(ticket='x'), dict(ticket=None), {}):
        thief.event('take', details)
        assert thief.values[0]['message'].startswith('The image is not here any more')
    for number in (-1, 1, 'x', None):
        thief.event('take', dict(example=number))
        assert thief.values[0]['message'].startswith('There is no such example')


def test_users_at_one_time_do_not_mix(server):
    def use(number):
        visitor = Visitor(server[0])
        visitor.least = 0.0
        for step in range(4):
            share = (number * 4 + step) / 32
            visitor.take(bright(share))
            scores = {name: score for name, score, _ in visitor.values[0]['rows']}
            assert scores['cat'] == round(255 * share) / 255
            visitor.classes = ['cat'] if step % 2 else []
            visitor.event('select_again')
            scores = {name: score for name, score, _ in visitor.values[0]['rows']}
            assert scores['cat'] == round(255 * share) / 255
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(use, range(8)))


def test_a_value_that_is_a_file_is_refused(server, visitor, tmp_path):
    """Gradio would read it, or fetch it."""
    secret = tmp_path / 'secret'
    secret.write_text('secret')
    with socket.create_server(('127.0.0.1', 0)) as other:
        other.settimeout(0.5)
        address = f'http://127.0.0.1:{other.getsockname()[1]}/x'
        meta = {'_type': 'gradio.FileData'}
        for value in (
            {'path': str(secret), 'meta': meta},
            {'path': address, 'url': address, 'meta': meta},
            [{'path': address, 'meta': meta}],
            [[{'path': address, 'meta': meta}]],
        ):
            for position in range(4):
                data = ['finder', 'none', 0.3, []]
                data[position] = value
                answer = visitor.post('choose', data)
                assert answer.status == 422 and 'no event of the page' in answer.json['detail']
            answer = visitor.post('take', ['finder', 'none', 0.3, []], dict(ticket=value))
            assert answer.status == 422
        with pytest.raises(TimeoutError):
            other.accept()


@pytest.mark.parametrize(
    'body',
    [b'', b'[', b'[]', b'{}', b'{"data": 1}', b'[' * 50_000, b'{"data": [], "event_data": [1]}'],
)
def test_what_is_no_event_is_refused(server, body):
    path = '/page/gradio_api/queue/join'
    answer = ask(server[0], 'POST', path, body, Content_Type='application/json')
    assert answer.status == 422 and answer.json['detail'].startswith('This is no event')


def test_a_long_event_is_not_read(server):
    head = (
        b'POST /page/gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n'
    )
    exchange = Exchange(server[0], head, b'{"data": [' + b' ' * 70_000)
    assert exchange.answer().status == 422
    exchange.close()


def test_a_model_or_class_that_is_not_there(visitor):
    visitor.take(bright(0.8))
    visitor.classes = ['no such class']
    assert not visitor.event('select_again')['success']
    visitor.classes, visitor.models = [], ['/etc/passwd', 'none']
    assert not visitor.event('choose')['success']


@pytest.mark.parametrize(
    'path',
    [
        'gradio_api/file=/etc/passwd',
        'gradio_api/file/etc/passwd',
        'file=/etc/passwd',
        'gradio_api/proxy=http://127.0.0.1/',
        'gradio_api/upload',
        'gradio_api/run/predict',
        'gradio_api/call/take',
        'gradio_api/component_server',
        'gradio_api/process_recording',
        'gradio_api/vibe-code/',
        'gradio_api/dev/reload',
        'gradio_api/info',
        'gradio_api/runs',
        'monitoring',
        'assets/../../../../../../etc/passwd',
        'static/%2e%2e/%2e%2e/version.txt',
        'assets/..%2f..%2fversion.txt',
        'custom_component/1/client/x/y',
    ],
)
@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'HEAD'])
def test_the_rest_of_gradio_is_closed(server, method, path):
    answer = ask(server[0], method, f'/page/{path}', b'{}' if method != 'HEAD' else None)
    assert answer.status == 404


def test_the_page_allows_itself_alone(server):
    answer = ask(server[0], path='/page/')
    policy = answer.headers['content-security-policy']
    assert answer.status == 200 and policy.startswith("default-src 'self';")
    assert 'http' not in policy and '*' not in policy
    assert json.loads(ask(server[0], path='/page/config').body)['analytics_enabled'] is False


def test_the_api_stays_as_it_is(server):
    port = server[0]
    assert predict(port, bright(0.8)).json['instances'][0]['score'] == 0.8
    assert ask(port).json['model'] == 'finder'
    assert b'/predict' in ask(port, path='/').body
    assert '/upload' not in ask(port, path='/openapi.json').json['paths']


def test_the_page_waits_in_the_queue_of_the_api(tmp_path):
    with page(tmp_path, queue=2) as (port, models):
        visitor, gate = Visitor(port), models['grey'].gate
        visitor.show('classification', 'grey')
        gate.clear()
        thread = threading.Thread(target=visitor.take, args=(bright(0.5),))
        thread.start()
        until(lambda: models['grey'].begun == 0)  # the look at a plain image, as it is loaded
        assert visitor.values[0] is None
        gate.set()
        thread.join()
        assert visitor.values[0]['rows']


def test_results_are_let_go(tmp_path):
    with page(tmp_path) as (port, models):
        results = models['grey'].results
        visitor = Visitor(port)
        visitor.show('classification', 'grey')
        for number in range(8):
            visitor.take(bright(number / 8))
        gc.collect()
        assert len(results) == 9 and sum(result() is not None for result in results) <= 2


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path, monkeypatch):
    """Over the requests of many users; Gradio keeps something of the last ones, and no more."""
    monkeypatch.setattr('classification.webpage.page._SESSIONS', 3)
    with page(tmp_path) as (port, _):
        images, memory = [bright(share / 20) for share in range(20)], []
        tracemalloc.start()
        for user in range(20):
            visitor = Visitor(port)
            visitor.models = ['finder', 'other']
            for number in range(4):
                visitor.take(images[(user + number) % 20])
                assert visitor.values[1]['rows']
            visitor.event('leave')
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    growth = (memory[-1] - memory[9]) / 40
    assert growth < 3000, f'{growth:.0f} bytes for each request: {memory}'


def test_limits_are_those_of_the_api(server):
    assert ask(server[0]).json['limits'] == vars(LIMITS)
