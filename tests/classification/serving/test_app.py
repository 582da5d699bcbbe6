"""serving/app.py: the API as clients meet it, with every limit, on a server in a thread."""

import gc
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('fastapi')
pytest.importorskip('uvicorn')
pytest.importorskip('python_multipart')

from classification.engine.errors import DataError, UsageError
from classification.engine.images import read_image
from classification.serving.app import create_app
from classification.serving.limits import Limits
from tests.classification.serving.test_decoding import bomb
from tests.serving import Exchange, Model, ask, encoded, grey_png, predict, served, until

LIMITS = Limits(max_bytes=20_000, max_pixels=5000, queue=4, timeout=20)
FORM = 'multipart/form-data; boundary=x'


@pytest.fixture(scope='module')
def port():
    """Of a server that all tests share which leave it as it is."""
    with served(create_app(Model(), LIMITS, 'grey')) as port:
        yield port


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def serve(model):
    """A function: bounds -> (port, service) of a server of `model`, until the test ends."""
    open_servers = []

    def start(**bounds):
        app = create_app(model, Limits(**{**vars(LIMITS), **bounds}))
        server = served(app)
        open_servers.append(server)
        return server.__enter__(), app.state.service

    yield start
    model.gate.set()
    for server in open_servers:
        server.__exit__(None, None, None)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def form(*parts):
    """The body of a form: (headers, content) of its parts."""
    lines = [b'--x\r\n' + headers + b'\r\n\r\n' + content + b'\r\n' for headers, content in parts]
    return b''.join(lines) + b'--x--\r\n'


def file_part(content, name=b'a.png'):
    return b'Content-Disposition: form-data; name="image"; filename="' + name + b'"', content


def test_a_body_and_a_form_give_the_same(port):
    image = grey_png(200)
    one = predict(port, image)
    assert one.status == 200 and one.grey == 200
    assert (one.json['width'], one.json['height']) == (40, 30)
    field = b'Content-Disposition: form-data; name="note"', b'/etc/passwd'
    for parts in ([file_part(image)], [field, file_part(image, b'../../etc/passwd'), field]):
        assert predict(port, form(*parts), kind=FORM).body == one.body


def test_an_image_is_turned_upright(port):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new('RGB', (40, 30), (90,) * 3)
    answer = predict(port, encoded(image, 'JPEG', exif=exif), kind='image/jpeg')
    assert (answer.json['width'], answer.json['height']) == (30, 40)


def test_an_overlay_is_a_picture(port):
    answer = predict(port, grey_png(200, (64, 48)), '?format=overlay')
    assert answer.status == 200 and answer.headers['content-type'] == 'image/png'
    assert read_image(answer.body).shape == (336, 448, 3)


def test_the_threshold_holds(port):
    assert [c['class'] for c in predict(port, grey_png(250), '?threshold=0.5').json['classes']] == [
        'white'
    ]


@pytest.mark.parametrize(
    'status, sentence, image, query, kind',
    [
        (400, 'has no image', b'', '', 'image/png'),
        (400, 'cannot be read', grey_png(9)[:-30], '', 'image/png'),
        (413, 'of which at most 5000 are taken', grey_png(9, (100, 51)), '', 'image/png'),
        (413, 'of which at most 5000 are taken', bomb(60_000, 60_000), '', 'image/png'),
        (413, 'more than the 20000 bytes', bytes(20_001), '', 'image/png'),
        (413, 'more than the 20000 bytes', form(file_part(bytes(20_001))), '', FORM),
        (415, 'no image that can be read', b'/etc/passwd', '', 'image/png'),
        (415, 'content type is none', grey_png(9), '', 'application/x-www-form-urlencoded'),
        (415, 'content type is none', grey_png(9), '', 'multipart/form-data'),
        (400, 'has no image', form(), '', FORM),
        (400, 'has no image', form((b'Content-Disposition: form-data; name=a', b'b')), '', FORM),
        (400, 'several files', form(*2 * [file_part(grey_png(9))]), '', FORM),
        (400, 'ends early', form(file_part(grey_png(9)))[:-9], '', FORM),
        (400, 'form is damaged', b'not a form', '', FORM),
        (422, 'no map of classes', grey_png(9), '?format=png', 'image/png'),
        (422, 'has no masks', grey_png(9), '?masks=rle', 'image/png'),
        (422, 'option format', grey_png(9), '?format=exe', 'image/png'),
        (422, 'option threshold', grey_png(9), '?threshold=nan', 'image/png'),
        (422, 'option threshold', grey_png(9), '?threshold=x', 'image/png'),
    ],
)
def test_what_is_refused_gets_one_sentence(port, status, sentence, image, query, kind):
    answer = predict(port, image, query, kind)
    assert answer.status == status
    assert [*answer.json] == ['detail'] and sentence in answer.json['detail']
    assert '\n' not in answer.json['detail'] and 'Traceback' not in answer.json['detail']
    assert predict(port, grey_png(7)).grey == 7


def test_other_paths_and_methods(port):
    assert ask(port, path='/none').json == {'detail': 'Not Found: see / for what there is.'}
    assert ask(port, path='/predict').status == 405
    assert ask(port, path='/predict?image=/etc/passwd', method='POST').status == 415
    packed = ask(port, 'POST', '/predict', b'x', Content_Type='image/png', Content_Encoding='gzip')
    assert packed.status == 415 and 'compressed' in packed.json['detail']


def test_a_body_that_says_it_is_too_large_is_not_read(port):
    head = (
        'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 99999999'
    )
    for more in ('', '\r\nExpect: 100-continue'):
        client = Exchange(port, f'{head}{more}\r\n\r\n'.encode())
        answer = client.answer()  # without a byte of the body, and no 100 before
        assert answer.status == 413 and answer.headers['connection'] == 'close'
        assert not client.socket.recv(1)
        client.close()


def test_a_body_that_becomes_too_large_is_not_read_on(port):
    head = (
        b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n'
        b'Transfer-Encoding: chunked\r\n\r\n'
    )
    chunk = b'1000\r\n' + bytes(4096) + b'\r\n'
    client = Exchange(port, head, 5 * chunk)  # 20480 bytes, and no end
    answer = client.answer()
    assert answer.status == 413 and answer.headers['connection'] == 'close'
    client.close()


def test_health_tells_the_model(port):
    before = ask(port).json
    assert before['status'] == 'ok' and before['model'] == 'grey'
    assert before['task'] == 'classification' and before['classes'] == ['black', 'white']
    assert before['parameters'] is None and before['queue'] == 0
    assert before['limits'] == vars(LIMITS)
    predict(port, grey_png(1))
    predict(port, b'bad')
    assert ask(port).json['served'] == before['served'] + 1


@pytest.mark.parametrize('path', ['/', '/docs'])
def test_the_page_needs_no_network(port, path):
    answer = ask(port, path=path)
    text = answer.body.decode()
    assert answer.status == 200 and answer.headers['content-type'].startswith('text/html')
    assert "default-src 'none'" in text
    assert not re.search(r'<script|<link|<iframe|@import|url\(', text)
    assert all(link.startswith('#') for link in re.findall(r'(?:href|src)="([^"]*)"', text))
    for part in ('POST /predict', 'GET /health', f'127.0.0.1:{port}/predict', 'json or overlay'):
        assert part in text
    assert ask(port, path='/openapi.json').json['paths'].keys() == {'/predict', '/health'}


def test_the_name_of_a_host_cannot_enter_the_page(port):
    client = Exchange(port, b'GET / HTTP/1.1\r\nHost: "><script>x</script>\r\n\r\n')
    assert b'<script' not in client.answer().body
    client.close()


def test_sixteen_clients_get_their_own_answers(serve, pool):
    port, service = serve(queue=16, batch=4)
    greys = [7 * i % 256 for i in range(160)]
    sizes = [(40, 30), (20, 10)]
    images = [grey_png(grey, sizes[i % 3 == 0]) for i, grey in enumerate(greys)]
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda image: predict(port, image), images))
    assert [answer.grey for answer in answers] == greys
    assert service.served == 160 and service.taken == 0


def begin(serve, model, pool, greys, **bounds):
    """A closed gate with the first image before it, the others behind: (port, service, answers)."""
    port, service = serve(**bounds)
    model.gate.clear()
    answers = []
    for number, grey in enumerate(greys):
        answers.append(pool.submit(predict, port, grey_png(grey)))
        until(lambda: model.begun == 1 and service.waiting == number)  # noqa: B023
    return port, service, answers


def test_a_full_queue_refuses_and_goes_on(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1, 2, 3, 4])
    # With a body too, which is received so that the answer is not lost.
    refused = predict(port, grey_png(5) + bytes(15_000))
    assert refused.status == 503 and refused.headers['retry-after'] == '1'
    assert 'busy with 4 images' in refused.json['detail']
    assert ask(port).json['queue'] == 3
    model.gate.set()
    assert [answer.result().grey for answer in answers] == [1, 2, 3, 4]
    assert predict(port, grey_png(6)).grey == 6


def test_the_time_limit_drops_what_has_not_begun(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1, 2], timeout=0.5)
    for answer in answers:
        assert answer.result().status == 504
        assert 'not predicted within 0.5 seconds' in answer.result().json['detail']
    assert service.waiting == service.taken == 0
    model.gate.set()
    until(lambda: model.batches)
    assert predict(port, grey_png(3)).grey == 3
    assert model.begun == 2  # the second image never was


def test_a_slow_body(serve, model):
    port, service = serve(timeout=0.3)
    head = b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n'
    client = Exchange(port, head, b'Content-Length: 99\r\n\r\n', b'\x89PNG')
    assert client.answer().status == 408
    client.close()
    assert service.taken == 0 and model.begun == 0


def test_a_client_that_leaves_is_not_worked_for(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1])
    image = grey_png(2)
    head = 'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: '
    waits = Exchange(port, f'{head}{len(image)}\r\n\r\n'.encode(), image)
    until(lambda: service.waiting == 1)
    sends = Exchange(port, f'{head}{len(image)}\r\n\r\n'.encode(), image[:20])
    until(lambda: service.taken == 3)
    waits.close()
    sends.close()
    until(lambda: service.waiting == 0 and service.taken == 1)
    model.gate.set()
    assert answers[0].result().grey == 1 and model.begun == 1


def test_images_of_one_size_share_a_batch(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1, 2, 3], batch=8)
    answers.append(pool.submit(predict, port, grey_png(4, (20, 20))))
    until(lambda: service.waiting == 3)
    model.gate.set()
    assert [answer.result().grey for answer in answers] == [1, 2, 3, 4]
    assert model.batches[1:] == [1, 2, 1]  # after the first look at the model


def test_a_batch_is_no_larger_than_one_image_may_be(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1, 2, 3, 4], batch=8, max_pixels=2400)
    model.gate.set()
    assert [answer.result().grey for answer in answers] == [1, 2, 3, 4]
    assert model.batches[1:] == [1, 2, 1]


@pytest.mark.parametrize(
    'error, status, sentence',
    [
        (RuntimeError('secret'), 500, r'fails with the image \(RuntimeError\)'),
        (ValueError('needs 32 pixels'), 422, 'refuses the image: needs 32 pixels'),
        (DataError('odd values.'), 400, 'odd values'),
    ],
)
def test_a_failure_costs_no_other_image_its_answer(serve, model, pool, error, status, sentence):
    model.fails_with = error
    port, service, answers = begin(serve, model, pool, [1, 2, 0, 3], batch=3)
    model.gate.set()
    answers = [answer.result() for answer in answers]
    assert [answer.status for answer in answers] == [200, 200, status, 200]
    assert [answer.grey for answer in answers if answer.status == 200] == [1, 2, 3]
    assert (
        re.search(sentence, answers[2].json['detail']) and 'secret' not in answers[2].body.decode()
    )


def test_stopping_answers_what_runs_and_refuses_what_waits(serve, model, pool):
    port, service, answers = begin(serve, model, pool, [1, 2])
    service.stop()
    assert answers[1].result().status == 503 and answers[1].result().headers['retry-after']
    assert ask(port).json['status'] == 'stopping'
    assert predict(port, grey_png(3)).status == 503
    model.gate.set()
    assert answers[0].result().grey == 1 and model.begun == 1


def test_memory_does_not_grow(serve, model):
    port, service = serve(max_bytes=10**6, max_pixels=10**6)
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), 'PNG')
    bodies = [whole, whole[:-9000], b'bad' * 10**5, bytes(10**6 + 1)]

    def send(times):
        for body in times * bodies:
            with suppress(OSError):  # the largest is not received, which breaks its connection
                predict(port, body)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = send(3)
        # One result may still be in use; each request that is kept would add 300 kB or more.
        assert send(12) - before < 2_000_000
    finally:
        tracemalloc.stop()
    assert not any(result() for result in model.results[:-1])


class NoResult:
    def __call__(self, image):
        return np.zeros(3)


class Broken:
    def __call__(self, image):
        raise RuntimeError('no kernel')


@pytest.mark.parametrize(
    'predictor, sentence',
    [(NoResult(), 'gives a ndarray, which is no result'), (Broken(), 'RuntimeError: no kernel')],
)
def test_a_model_that_cannot_predict_is_not_served(predictor, sentence):
    with pytest.raises(UsageError, match=sentence):
        create_app(predictor, LIMITS)
