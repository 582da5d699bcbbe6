"""engine/running/training.py: where a training starts, and what a failed start leaves."""

import json
import os
import socket

import pytest
from mmengine.config import Config

from classification.engine.errors import UsageError
from classification.engine.running.trained import last_checkpoint
from classification.engine.running.training import set_start


def test_an_explicit_checkpoint_wins_over_the_last(trained):
    cfg = Config(dict(work_dir=str(trained('detection')), load_from='other.pth'))
    first = trained('detection') / 'epoch_1.pth'
    set_start(cfg, str(first))
    assert (cfg.resume, cfg.load_from) == (True, str(first))
    set_start(cfg, 'last')
    assert cfg.load_from == str(trained('detection') / 'epoch_2.pth')


def test_the_last_checkpoint_is_found_without_its_pointer(here):
    folder = here / 'w'
    folder.mkdir()
    for time, name in enumerate(('epoch_1.pth', 'interrupted.pth', 'best_x_epoch_9.pth')):
        (folder / name).touch()
        os.utime(folder / name, (time, time))
    assert last_checkpoint(folder).name == 'interrupted.pth'


def test_a_folder_of_best_files_alone_cannot_be_resumed(here):
    (here / 'w').mkdir()
    (here / 'w/best_x_epoch_1.pth').touch()
    with pytest.raises(UsageError, match='w has no checkpoint to resume from, but best_x_epoch_1'):
        set_start(Config(dict(work_dir='w')), 'last')


def test_one_training_at_a_time(fails, here, contents):
    (here / 'w').mkdir()
    owner = dict(host='elsewhere', pid=7, since='2026-01-01 12:00:00')
    (here / 'w/.lock').write_text(json.dumps(owner))
    sentence = fails('train', 'classification', '--work-dir', 'w')
    assert 'w is being written by another process (7 on elsewhere, since 2026-01-01' in sentence
    assert list(contents('w')) == ['.lock']


def test_leftovers_and_the_lock_of_a_killed_run(run, here):
    (here / 'w').mkdir()
    (here / 'w/.partial-epoch_7.pth').write_bytes(b'half')
    (here / 'w/.lock').write_text(json.dumps(dict(host=socket.gethostname(), pid=1, since='')))
    run('train', 'classification', '--work-dir', 'w')
    assert not list(here.glob('w/.*'))


@pytest.mark.parametrize(
    'tool, options',
    [
        ('train', ['model.model.drop=1']),  # refused while the Runner is made
        ('train', ['model.model.num_classes=3']),  # by a hook, after that
        ('test', ['model.model.num_classes=3']),
    ],
)
def test_a_failed_start_leaves_nothing(tool, options, trained, fails, here):
    checkpoint = [trained('classification') / 'epoch_2.pth'] if tool == 'test' else []
    before = set(here.iterdir())
    fails(tool, 'classification', *checkpoint, '--work-dir', 'w/x', '--cfg-options', *options)
    assert not list(here.glob('w/x/*'))
    assert tool == 'test' or set(here.iterdir()) == before


def test_a_work_dir_that_is_a_file(fails, here):
    (here / 'w').touch()
    assert 'a file is in the way' in fails('train', 'classification', '--work-dir', 'w')


def test_fewer_images_than_a_batch(fails, here):
    options = ['train_dataloader.drop_last=True', 'train_dataloader.batch_size=64']
    sentence = fails('train', 'classification', '--work-dir', 'w', '--cfg-options', *options)
    assert '20 training images per process are fewer than the 1 x 64 of an update' in sentence
