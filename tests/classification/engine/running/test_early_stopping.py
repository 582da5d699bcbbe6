"""Training ends once evaluations do not improve, resumed or not."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from classification.engine.errors import UsageError
from classification.engine.running.early_stopping import EndWithoutProgress

HOOK = EndWithoutProgress('mIoU', evaluations=2)


def runner(scores=()):
    hub = MessageHub.get_instance('early stopping')
    for score in scores:
        hub.update_scalar('val/mIoU', score)
    loop = SimpleNamespace(stop_training=False)
    return SimpleNamespace(message_hub=hub, train_loop=loop, logger=logging.getLogger('test'))


@pytest.mark.parametrize(
    'scores, ends',
    [([1], False), ([3, 2], False), ([3, 2, 1], True), ([1, 2, 3], False), ([3, 1, 2, 3], True)],
)
def test_it_ends_without_a_better_evaluation(scores, ends):
    run = runner(scores)
    HOOK.after_val_epoch(run, dict(mIoU=scores[-1]))
    assert run.train_loop.stop_training is ends


def test_the_history_of_a_checkpoint_counts():
    saved = runner([3, 2]).message_hub.state_dict()
    MessageHub._instance_dict.clear()
    resumed = runner()
    resumed.message_hub.load_state_dict(saved)
    resumed.message_hub.update_scalar('val/mIoU', 1)
    EndWithoutProgress('mIoU', evaluations=2).after_val_epoch(resumed, dict(mIoU=1))
    assert resumed.train_loop.stop_training


def test_an_unknown_metric_is_refused():
    with pytest.raises(UsageError, match='no mIoU but mAP'):
        HOOK.after_val_epoch(runner(), dict(mAP=1))


def test_an_evaluation_without_a_detection_is_no_end():
    run = runner([3, 2, 1])
    HOOK.after_val_epoch(run, {})
    assert not run.train_loop.stop_training
