"""classification/hooks.py: EMA and MESA by hand, what checkpoints hold of them, classes."""

import json
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import BaseLoop

from classification.engine.errors import DataError
from classification.engine.running.runner import Runner
from classification.engine.weights.formats import read_checkpoint
from classification.engine.weights.loading import load_weights
from classification.hooks import EMA, MESA

FIXTURE = 'tests/fixtures/recipe.py'
RECIPE = 'recipe'


class Spy(Hook):
    """What the weights and buffers are at the start and after each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.states = []

    def note(self, runner):
        state = runner.model.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})

    def before_train(self, runner):
        self.note(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.note(runner)


def train(cfg):
    """Train: (runner, its EMA hook or None, the states that a Spy saw)."""
    runner, spy = Runner.from_cfg(cfg), Spy()
    runner.register_hook(spy)
    runner.train()
    return runner, next((hook for hook in runner.hooks if isinstance(hook, EMA)), None), spy.states


def average_by_hand(states, decay):
    """In float64, one update for each state after the first; integers are those of the last."""
    average = {name: value.double() for name, value in states[0].items()}
    for state in states[1:]:
        for name, value in state.items():
            exact = value.is_floating_point()
            average[name] = decay * average[name] + (1 - decay) * value if exact else value
    return average


@pytest.fixture
def short(config):
    """A function: options -> the recipe's config for one epoch of four iterations."""

    def load(**options):
        return config(RECIPE, **{'train_cfg.max_epochs': 1, 'default_hooks.mesa': None}, **options)

    return load


def test_the_average_by_hand(short, here):
    """Each iteration counts, from the first on, and with the batch norms' statistics."""
    runner, hook, states = train(short())
    expected = average_by_hand(states, decay=0.9)
    average = hook.average.module.state_dict()
    assert len(states) == 5
    assert any('running_var' in name for name in average)
    for name, value in average.items():
        torch.testing.assert_close(value.double(), expected[name].double(), rtol=1e-5, atol=1e-7)
        assert not value.is_floating_point() or not torch.equal(value, states[0][name]), name

    saved = read_checkpoint(here / 'w/epoch_1.pth')
    for name, value in states[-1].items():
        assert torch.equal(saved['ema_state_dict'][f'module.{name}'], value), name
        assert torch.equal(saved['state_dict'][name], average[name]), name
    assert not any(name.startswith('ema') for name in runner.model.state_dict())


def test_accumulated_batches_are_one_update(short):
    _, hook, states = train(short(**{'optim_wrapper.accumulative_counts': 2}))
    assert hook.average.decay == pytest.approx(0.9**2)
    expected = average_by_hand(states[::2], decay=0.9**2)
    for name, value in hook.average.module.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('images, decay', [(4096, 0.9996), (1024, 0.9999), (512, 0.99995)])
def test_the_decay_follows_the_batch(images, decay):
    hook = EMA()
    hook.average = SimpleNamespace()
    hook.before_train(SimpleNamespace(images_per_update=images, _resume=True))
    assert hook.average.decay == pytest.approx(decay, abs=1e-7)


def test_the_average_begins_where_the_training_does(short):
    _, _, states = train(short(**{'default_hooks.ema': None}))
    torch.save(states[-1], 'start.pth')
    init = {'model.init_cfg': dict(type='Pretrained', checkpoint='start.pth')}
    _, hook, states = train(short(**init, work_dir='other'))
    expected = average_by_hand(states, decay=0.9)
    for name, value in hook.average.module.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-7)


def test_without_an_average(short, here):
    runner, hook, states = train(short(**{'default_hooks.ema': None}))
    assert hook is None and runner.model.ema is None
    saved = read_checkpoint(here / 'w/epoch_1.pth')
    assert 'ema_state_dict' not in saved
    assert all(torch.equal(saved['state_dict'][name], v) for name, v in states[-1].items())
    scores = runner.message_hub.log_scalars
    assert 'val/accuracy/top1' in scores and 'val/accuracy/ema_top1' not in scores
    assert list(here.glob('w/best_accuracy_top1_epoch_1.pth'))


def test_validation_scores_both_in_one_pass(short, here):
    runner, hook, _ = train(short())
    model, loader = runner.model.eval(), runner.val_dataloader
    with torch.no_grad():
        for data, predict in ((d, model.val_step(d)) for d in loader):
            for backbone, key in ((model.backbone, 'scores'), (hook.average.module, 'ema_scores')):
                expected = backbone(data['inputs']).softmax(dim=1)
                torch.testing.assert_close(torch.stack([p[key] for p in predict]), expected)
    scores = {name: h.current() for name, h in runner.message_hub.log_scalars.items()}
    assert {name for name in scores if name.startswith('val/acc')} == {
        f'val/accuracy/{name}' for name in ('top1', 'top5', 'ema_top1', 'ema_top5')
    }
    assert list(here.glob('w/best_accuracy_ema_top1_epoch_1.pth'))


def test_other_models_start_from_the_average(short, here):
    _, hook, _ = train(short())
    average = hook.average.module.state_dict()
    dense = MODELS.build(
        dict(type='MILA', arch=dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2)))
    )
    load_weights(dense, here / 'w/epoch_1.pth', missing=('norm',), unexpected=('norm.', 'head.'))
    for name, value in dense.state_dict().items():
        assert name.startswith('norm') or torch.equal(value, average[f'backbone.{name}']), name


@pytest.mark.parametrize('epochs, first', [(300, 75), (100, 25), (10, 2), (4, 1), (3, 0)])
def test_the_first_epoch_of_mesa(epochs, first):
    hook, model = MESA(weight=1.5, start=0.25), SimpleNamespace(mesa=None)
    weights = []
    for epoch in range(epochs):
        hook.before_train_epoch(SimpleNamespace(model=model, epoch=epoch, max_epochs=epochs))
        weights.append(model.mesa)
    assert weights == [0.0] * first + [1.5] * (epochs - first)


def test_mesa_in_training(config):
    """The teacher is the EMA model of the iteration before, from epoch 3 of 4 on."""
    runner, hook, _ = train(config(RECIPE))
    seen = []
    runner.model.attach_ema(lambda images: seen.append(1) or torch.zeros(len(images), 10))
    for epoch in range(4):
        runner.train_loop._epoch = epoch
        runner.call_hook('before_train_epoch')
        runner.model.loss(torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]))
    assert len(seen) == 2


def test_mesa_needs_the_average(fails, here, request):
    recipe = request.config.rootpath / FIXTURE
    sentence = fails('train', recipe, '--work-dir', 'w', '--cfg-options', 'default_hooks.ema=None')
    assert 'MESA' in sentence and 'default_hooks.mesa=None' in sentence


class Loop(BaseLoop):
    def __init__(self, classes, root):
        dataset = SimpleNamespace(metainfo=dict(classes=classes), data_root=root)
        self.dataloader = SimpleNamespace(dataset=dataset)

    def run(self):
        """Never called."""


@pytest.mark.parametrize(
    'train, val, message',
    [
        ('abc', 'abc', None),
        ('abc', None, None),
        (None, 'abc', None),
        ('ab', 'ab', 'data/train has 2 classes, the model 3: set'),
        (None, 'ab', 'data/val has 2 classes'),
        ('abc', 'ab', 'data/val has 2 classes'),
        ('abc', 'abd', r'data/val has other classes than data/train \(c, d\)'),
        ('abc', 'acb', 'in another order'),
    ],
)
def test_check_classes(train, val, message):
    runner = SimpleNamespace(
        model=SimpleNamespace(num_classes=3),
        _train_loop=train and Loop(list(train), 'data/train'),
        _val_loop=val and Loop(list(val), 'data/val'),
        _test_loop=dict(type='a config, not built'),
    )
    hook = HOOKS.build(dict(type='CheckClasses'))
    if message is None:
        hook.before_run(runner)
    else:
        with pytest.raises(DataError, match=message):
            hook.before_run(runner)


@pytest.fixture
def ticking(monkeypatch):
    """Clocks that move on by 5 and 2 seconds at each look, and a peak of 7 and then 6 bytes."""
    clocks = ((5 * tick, 2 * tick) for tick in range(100))
    peaks = chain([7], repeat(6))
    monkeypatch.setattr('classification.hooks._clocks', lambda: next(clocks))
    monkeypatch.setattr('classification.hooks.peak_memory', lambda cuda: next(peaks))


def test_costs_of_interrupted_epochs_and_not_of_validation(ticking, tmp_path):
    def written():
        return list(json.loads((tmp_path / 'costs.json').read_text()).values())

    runner, checkpoint = SimpleNamespace(work_dir=tmp_path, _resume=False), {}
    hook = HOOKS.build(dict(type='Costs'))
    hook.before_train_epoch(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint['costs'] == dict(seconds=5, cpu_seconds=2, bytes=7)
    hook.after_train_epoch(runner)
    assert written() == [10, 4, 7]
    hook.before_save_checkpoint(runner, {})  # the best one, after a validation
    hook.before_train_epoch(runner)
    hook.after_train_epoch(runner)
    assert written() == [15, 6, 7]

    for resume, expected in ((True, [10, 4, 7]), (False, [5, 2, 6])):
        runner._resume, hook = resume, HOOKS.build(dict(type='Costs'))
        hook.after_load_checkpoint(runner, checkpoint)
        hook.before_train_epoch(runner)
        hook.after_train_epoch(runner)
        assert written() == expected


def test_costs_are_in_the_checkpoints_of_a_training(config):
    options = {'default_hooks.costs.type': 'Costs', 'train_cfg.max_epochs': 1}
    runner = Runner.from_cfg(config('classification', **options))
    runner.train()
    costs = json.loads((Path(runner.work_dir) / 'costs.json').read_text())
    assert costs['seconds'] > 0 and costs['cpu_seconds'] > 0 and costs['bytes'] > 2**26
    file = Path(runner.work_dir) / 'epoch_1.pth'
    assert torch.load(file, weights_only=True, map_location='cpu')['costs'] == costs
