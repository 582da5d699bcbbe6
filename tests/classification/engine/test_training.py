"""classification/engine/training.py: where a training starts."""

import os

from mmengine.config import Config

from classification.engine.training import last_checkpoint, set_start


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
