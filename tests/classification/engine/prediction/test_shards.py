"""engine/prediction/shards.py: shards dealt, resumed, and kept apart from those of other runs."""

import json
from pathlib import Path

import pytest

from classification.engine.errors import DataError, UsageError
from classification.engine.prediction.shards import Shards, predict_shards
from classification.engine.prediction.sources import find_sources
from classification.exported import load
from tests.exported import write_model
from tests.helpers import picture


@pytest.fixture
def model(here):
    for i in range(7):
        picture(here / f'images/{i}.png', seed=i)
    return load(write_model(here / 'm.onnx', 'classification'))


def run(model, rank=0, processes=1, size=2, **options):
    return predict_shards(
        model, Shards(find_sources(['images']), size), 'out', rank, processes, **options
    )


def names(file):
    return [json.loads(line)['file_name'] for line in file.read_text().splitlines()]


def test_shards_are_dealt_in_turn(model, here, capsys):
    done = run(model, 1, 2)
    assert (done.shards, done.images, done.failed, done.missing) == (2, 3, 0, 2)
    assert names(here / 'out/shards/000001.jsonl') == ['images/2.png', 'images/3.png']
    assert names(here / 'out/shards/000003.jsonl') == ['images/6.png']
    assert 'Rank 1 of 2: 2 of 2 shards, ' in capsys.readouterr().out
    assert {path.name for path in (here / 'out').rglob('*')} == {
        'shards',
        'plan.json',
        '000001.jsonl',
        '000003.jsonl',
    }
    assert run(model, 0, 2).missing == 0


def test_complete_shards_are_passed_over(model, here, monkeypatch):
    """By any number of processes; what a process that was killed has begun is done again."""
    run(model, 2, 3)
    stat = (here / 'out/shards/000002.jsonl').stat()
    (here / 'out/shards/.partial-host-1-000000.jsonl').write_text('{"file')
    seen = []
    prepare = type(model)._prepare
    monkeypatch.setattr(
        type(model),
        '_prepare',
        lambda self, image, path: seen.append(path) or prepare(self, image, path),
    )
    assert run(model).missing == 0
    assert seen == [f'images/{i}.png' for i in (0, 1, 2, 3, 6)]
    assert (here / 'out/shards/000002.jsonl').stat() == stat


def test_a_shard_that_another_process_has_written_stays(model, here, monkeypatch):
    shard = here / 'out/shards/000000.jsonl'
    stream = type(model).stream

    def slow(self, sources, batch_size=1):
        yield from stream(self, sources, batch_size)
        shard.write_text('of the other\n')

    monkeypatch.setattr(type(model), 'stream', slow)
    run(model, size=100)
    assert shard.read_text() == 'of the other\n'
    assert not [*shard.parent.glob('.partial*')]


@pytest.mark.parametrize(
    'change, name',
    [
        (lambda: picture(Path('images/8.png')), 'images'),
        (lambda: Path('images/6.png').unlink(), 'images'),
        (dict(size=3), 'images'),
        (dict(score_thr=0.5), 'score_thr'),
        (dict(formats=['csv']), 'formats'),
        ('another model', 'model'),
    ],
)
def test_another_run_is_refused(change, name, model, here):
    run(model)
    before = sorted((here / 'out').rglob('*'))
    if callable(change):
        change()
    if isinstance(change, str):
        model = load(
            write_model(
                here / 'm.onnx',
                'classification',
                metadata=dict(palette='[[0, 0, 0], [0, 0, 1], [0, 0, 2]]'),
            )
        )
    with pytest.raises(UsageError, match=f'out was begun with other {name} than this command'):
        run(model, **(change if isinstance(change, dict) else {}))
    assert sorted((here / 'out').rglob('*')) == before


def test_a_folder_of_other_files_is_refused(model, here):
    picture(here / 'out/a.png')
    with pytest.raises(UsageError, match='out is not empty'):
        run(model)


def test_a_failed_image_has_its_reason(model, here):
    (here / 'images/1.png').write_bytes(b'no image')
    assert run(model).failed == 1
    lines = (here / 'out/shards/000000.jsonl').read_text().splitlines()
    assert 'results' in json.loads(lines[0])
    assert json.loads(lines[1])['error'].startswith('images/1.png cannot be read as an image')


def test_a_model_that_fails_on_a_whole_shard_ends_the_run(model, here, monkeypatch):
    def fail(self, batch):
        raise RuntimeError('the GPU is gone')

    monkeypatch.setattr(type(model), '_predict', fail)
    with pytest.raises(DataError, match='No image of shard 0 could be .*the GPU is gone'):
        run(model)
    assert [path.name for path in (here / 'out/shards').iterdir()] == ['plan.json']


def test_a_full_disk_ends_the_run(model, here, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device', 'out/overlays/0.png')

    monkeypatch.setattr('classification.engine.prediction.shards.save_overlay', full)
    with pytest.raises(UsageError, match='0.png cannot be written .No space left on device'):
        run(model, overlays=True)
    assert [path.name for path in (here / 'out/shards').iterdir()] == ['plan.json']


def test_overlays_where_they_are_asked_for(model, here):
    run(model, overlays=True)
    assert len([*(here / 'out/overlays').iterdir()]) == 7


def test_shards_that_are_not_possible(here):
    picture(here / 'a.png')
    with pytest.raises(UsageError, match='Shards of 0 images are not possible'):
        Shards(find_sources(['a.png']), 0)
    found = find_sources(['a.png'])
    found.frame_count = 3
    with pytest.raises(UsageError, match='Videos and cameras are not dealt'):
        Shards(found, 10)
