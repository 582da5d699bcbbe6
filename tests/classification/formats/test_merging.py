"""formats/merging.py: what several processes write is, byte for byte, what one writes."""

import tarfile

import pytest

from classification.engine.errors import UsageError
from classification.engine.prediction.files import predict_files
from classification.engine.prediction.shards import Shards, predict_shards
from classification.engine.prediction.sources import find_sources
from classification.exported import load
from classification.formats.__main__ import main
from classification.formats.merging import merge_shards
from tests.exported import CLASSES, write_model
from tests.helpers import picture

FORMATS = dict(
    classification=['json', 'csv'], detection=['coco', 'csv'], segmentation=['png', 'csv']
)
GIVEN = ['images', 'list.txt', '*.tar']


@pytest.fixture
def here(here):
    """A folder of five images, a list of three, one of them missing, and a tar file of two."""
    for i in range(5):
        picture(here / f'images/{i}.png', seed=i)
    for i in range(2):
        picture(here / f'more/{i}.png', size=(30 + i, 20), seed=9 + i)
    (here / 'list.txt').write_text('more/0.png\nmore/missing.png\nmore/1.png\n')
    with tarfile.open(here / 'é.tar', 'w') as tar:
        for name in ('images/3.png', 'more/1.png'):
            tar.add(here / name, name)
        link = tarfile.TarInfo('link.png')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        tar.addfile(link)
    return here


def files(out):
    """Name -> content of all files of an output folder but for the shards."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob('*')
        if path.is_file() and path.relative_to(out).parts[0] != 'shards'
    }


def run(model, out, rank, processes, size=2, **options):
    return predict_shards(model, Shards(find_sources(GIVEN), size), out, rank, processes, **options)


@pytest.mark.parametrize('task', CLASSES)
@pytest.mark.parametrize('processes, size, batch_size', [(3, 2, 1), (1, 100, 2), (7, 3, 3)])
def test_as_one_process_writes(task, processes, size, batch_size, here):
    model = load(write_model(here / 'm.onnx', task))
    options = dict(batch_size=batch_size, formats=FORMATS[task])
    one = predict_files(model, find_sources(GIVEN).sources, here / 'one', overlays=False, **options)
    for rank in reversed(range(processes)):
        run(model, here / 'many', rank, processes, size, **options)
    merged = merge_shards(here / 'many')
    assert files(here / 'many') == files(here / 'one')
    assert merged.done == one.done == 9 and merged.failures == len(one.failed) == 2
    assert merged.failed[0] == str(one.failed['more/missing.png']).rstrip('.')
    assert merged.failed[1].startswith('é.tar/link.png is a link')
    assert merge_shards(here / 'many') == merged  # the shards stay
    assert files(here / 'many') == files(here / 'one')


def test_the_command_names_what_failed(here, capsys):
    run(load(write_model(here / 'm.onnx', 'classification')), here / 'out', 0, 1)
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        main([str(here / 'out')])
    assert str(exit.value).startswith('error: 2 of 11 images could not be predicted: Image more/mi')
    assert capsys.readouterr().out == f'9 of 11 images predicted, {here}/out has results.json\n'


@pytest.mark.parametrize(
    'break_it, sentence',
    [
        (lambda out: (out / 'shards/plan.json').unlink(), 'plan.json cannot be read'),
        (lambda out: (out / 'shards/plan.json').write_text('{'), 'plan.json is damaged'),
        (lambda out: (out / 'shards/plan.json').write_text('{}'), 'a plan of another version'),
        (lambda out: (out / 'shards/000001.jsonl').unlink(), r'1 of 5 shards are missing .*\(1\)'),
        (lambda out: (out / 'shards/000001.jsonl').write_text('{"a": 1}'), '000001.jsonl is damag'),
        (lambda out: (out / 'shards/000001.jsonl').write_text('{"a'), '000001.jsonl is damaged'),
    ],
)
def test_what_cannot_be_merged(break_it, sentence, here):
    run(load(write_model(here / 'm.onnx', 'classification')), here / 'out', 0, 1)
    merge_shards(here / 'out')
    before = files(here / 'out')
    break_it(here / 'out')
    with pytest.raises(UsageError, match=sentence):
        merge_shards(here / 'out')
    assert files(here / 'out') == before
