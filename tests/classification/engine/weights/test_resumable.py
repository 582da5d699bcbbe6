"""engine/weights/resumable.py: what cannot be resumed is refused in a sentence."""

import pytest
import torch

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_checkpoint
from tests.classification.engine.running.test_checkpoints import build


def at(path, value):
    """A change: the entry at 'meta.epoch' becomes `value`, or is taken out where it is `del`."""

    def change(state):
        *parents, name = path.split('.')
        for parent in parents:
            state = state[parent]
        if value is del_:
            del state[name]
        else:
            state[name] = value

    return change


del_ = object()


def diverged(state):
    next(iter(state['state_dict'].values())).view(-1)[0] = float('nan')


def in_groups(change):
    return lambda state: [change(group) for group in state['optimizer']['param_groups']]


def in_state(change):
    def change_first(state):
        entry = state['optimizer']['state'][0]
        entry['exp_avg'] = change(entry['exp_avg'])

    return change_first


NOT_AS_WRITTEN = 'is not as MMEngine writes it: give another checkpoint of this training'
BROKEN = {
    'meta none': (at('meta', None), rf'its meta, meta.epoch, meta.iter {NOT_AS_WRITTEN}'),
    'meta list': (at('meta', []), NOT_AS_WRITTEN),
    'no epoch': (at('meta.epoch', del_), rf'its meta.epoch {NOT_AS_WRITTEN}'),
    'epoch text': (at('meta.epoch', '1'), rf'its meta.epoch {NOT_AS_WRITTEN}'),
    'iter negative': (at('meta.iter', -5), rf'its meta.iter {NOT_AS_WRITTEN}'),
    'iter bool': (at('meta.iter', True), rf'its meta.iter {NOT_AS_WRITTEN}'),
    'epoch beyond': (
        at('meta.epoch', 10**9),
        'it was saved after epoch 1000000000 and this config',
    ),
    'hub list': (at('message_hub', []), rf'its message_hub {NOT_AS_WRITTEN}'),
    'hub empty': (at('message_hub', {}), NOT_AS_WRITTEN),
    'no hub': (at('message_hub', del_), 'it has no message_hub'),
    'optimiser list': (at('optimizer', []), rf'its optimizer {NOT_AS_WRITTEN}'),
    'optimiser empty': (at('optimizer', {}), rf'its optimizer {NOT_AS_WRITTEN}'),
    'no groups': (at('optimizer.param_groups', del_), rf'its optimizer {NOT_AS_WRITTEN}'),
    'groups empty': (at('optimizer.param_groups', []), 'does not fit this config'),
    'group empty': (at('optimizer.param_groups', [{}]), 'does not fit this config'),
    'group without rate': (in_groups(lambda group: group.pop('lr')), 'its optimizer has no lr'),
    'rate text': (in_groups(lambda group: group.update(lr='1')), 'its optimizer has no lr'),
    'other sizes': (in_state(lambda value: value.new_zeros(2, 3, 5)), 'its optimizer has exp_avg'),
    'momentum NaN': (in_state(lambda value: value * float('nan')), 'its optimizer has exp_avg'),
    'schedulers text': (at('param_schedulers', 'x'), rf'its param_schedulers {NOT_AS_WRITTEN}'),
    'weights list': (at('state_dict', [1]), rf'its state_dict, ema_state_dict {NOT_AS_WRITTEN}'),
    'EMA weights none': (at('ema_state_dict', None), rf'its ema_state_dict {NOT_AS_WRITTEN}'),
    'diverged': (diverged, 'has values that are not finite'),
}


@pytest.mark.parametrize('change, said', BROKEN.values(), ids=BROKEN)
def test_broken_checkpoints(config, trained, change, said):
    state = read_checkpoint(trained('classification') / 'epoch_1.pth')
    change(state)
    torch.save(state, 'broken.pth')
    runner = build(config('classification'))
    with pytest.raises(CheckpointError, match=said) as caught:
        runner.resume('broken.pth')
    assert 'broken.pth' in str(caught.value) and '. ' not in str(caught.value)


@pytest.mark.parametrize('content', [None, [], 'meta', 3, torch.zeros(1)], ids=repr)
def test_what_is_no_checkpoint_of_training(config, content):
    torch.save(content, 'broken.pth')
    with pytest.raises(
        CheckpointError, match='broken.pth cannot be resumed, it has no message_hub'
    ):
        build(config('classification')).resume('broken.pth')


def test_an_iteration_beyond_the_last(config, trained):
    state = read_checkpoint(trained('segmentation') / 'iter_6.pth')
    state['meta']['iter'] = 10**9
    torch.save(state, 'broken.pth')
    with pytest.raises(
        CheckpointError, match='saved after iter 1000000000 and this config trains 6'
    ):
        build(config('segmentation')).resume('broken.pth')
