"""engine/running/trained.py: which config and checkpoint a work dir holds."""

import os

import pytest

from classification.engine.errors import UsageError
from classification.engine.running.trained import find_trained


@pytest.fixture
def work_dir(tmp_path):
    for i, name in enumerate(('c.py', 'epoch_1.pth', 'epoch_10.pth', 'epoch_2.pth')):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (i, i))
    return tmp_path


def test_the_best_else_the_last(work_dir, capsys):
    assert find_trained(work_dir) == (work_dir / 'c.py', work_dir / 'epoch_2.pth')
    (work_dir / 'last_checkpoint').write_text('/moved/since/epoch_10.pth\n')
    assert find_trained(work_dir)[1].name == 'epoch_10.pth'
    (work_dir / 'best_mIoU_epoch_1.pth').touch()
    assert find_trained(work_dir)[1].name == 'best_mIoU_epoch_1.pth'
    assert 'best_mIoU_epoch_1.pth is used' in capsys.readouterr().out
    assert find_trained(work_dir / 'epoch_1.pth')[1].name == 'epoch_1.pth'


@pytest.mark.parametrize(
    'remove, add, message',
    [
        (['c.py'], [], r'holds no config \(\*.py\)'),
        ([], ['d.py'], r'holds 2 configs \(c.py, d.py\)'),
        (['epoch_1.pth', 'epoch_2.pth', 'epoch_10.pth'], [], 'holds no checkpoint'),
    ],
)
def test_what_is_no_work_dir(work_dir, remove, add, message):
    for name in remove:
        (work_dir / name).unlink()
    for name in add:
        (work_dir / name).touch()
    with pytest.raises(UsageError, match=message):
        find_trained(work_dir)


def test_what_is_not_there(tmp_path):
    with pytest.raises(UsageError, match='none does not exist: give a work dir'):
        find_trained(tmp_path / 'none')
