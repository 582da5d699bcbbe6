"""classification/runtime.py: configs, checks, reproducible samples, checkpoints, errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner as MMRunner

from classification import runtime
from classification.data import DataError
from classification.runtime import Runner, UsageError, check_data, load_config
from classification.weights import CheckpointError, read_checkpoint

FIXTURES = Path(__file__).parents[1] / 'fixtures'


@pytest.fixture
def config(here):
    """A function: task and options -> its config, writing below the test's folder."""

    def load(task, **options):
        return load_config(FIXTURES / f'{task}.py', options, work_dir=here / 'w')

    return load


def test_a_config_knows_where_to_write_and_has_a_seed(here):
    cfg = load_config(FIXTURES / 'classification.py', {'train_dataloader.batch_size': 3})
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.work_dir == 'work_dirs/classification'
    assert cfg.randomness.seed == 0
    (here / 'c.py').write_text('work_dir = "mine"\nrandomness = dict(seed=5, deterministic=True)')
    cfg = load_config('c.py')
    assert (cfg.work_dir, cfg.randomness.seed, cfg.randomness.deterministic) == ('mine', 5, True)
    assert load_config('c.py', work_dir='cli').work_dir == 'cli'


@pytest.mark.parametrize(
    'text, expected',
    [
        ('model = dict(', r'Config c.py cannot be used: SyntaxError'),
        ('_base_ = "none.py"', r'Config c.py cannot be used: .*none.py'),
        ('model = undefined', r"Config c.py cannot be used: NameError, .*'undefined'"),
        ('custom_imports = dict(imports=["no_module"])', r'c.py cannot be used: .*no_module'),
        (None, r'Config c.py does not exist: did you mean configs/cc.py\?'),
    ],
)
def test_a_config_that_cannot_be_used(text, expected, here):
    (here / 'configs').mkdir()
    (here / 'configs/cc.py').touch()
    if text:
        (here / 'c.py').write_text(text)
    with pytest.raises(UsageError, match=expected) as error:
        load_config('c.py')
    assert '\n' not in str(error.value)


def test_the_command_line(capsys, here):
    parser = runtime.config_parser('Text.')
    assert parser.parse_args(['c.py', '--cfg-options', 'a.b=[1,2]']).cfg_options == {'a.b': [1, 2]}
    assert parser.parse_args(['c.py']).cfg_options == {}
    with pytest.raises(SystemExit):
        parser.parse_args(['c.py', '--cfg-options', 'a'])
    assert "takes KEY=VALUE, not 'a'" in capsys.readouterr().err
    with pytest.raises(UsageError, match='for torchrun'):
        load_config(FIXTURES / 'classification.py', launcher='pytorch')


@pytest.mark.parametrize(
    'root, cure',
    [('data/digits/x', 'make_digits.py'), ('data/coco', 'COCO goes to'),
     ('data/ade', 'ADE20K goes to'), ('data/imagenet', 'ImageNet goes to'),
     ('elsewhere', 'set data_root')],
)  # fmt: skip
def test_missing_data_has_a_cure(root, cure, config):
    cfg = config('classification', **{'val_dataloader.dataset.data_root': root})
    check_data(cfg, 'train')
    with pytest.raises(DataError, match=f'{root} does not exist: .*{cure}'):
        check_data(cfg, 'train', 'val')


def test_datasets_in_wrappers_and_evaluators_are_checked_too(config, here):
    cfg = config('detection')
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2,
        dataset=dict(type='ConcatDataset', datasets=[inner, dict(inner, data_root='none')]),
    )  # fmt: skip
    with pytest.raises(DataError, match='none/train2017 does not exist'):
        check_data(cfg, 'train')
    cfg.val_evaluator.ann_file = 'none.json'
    with pytest.raises(DataError, match='none.json does not exist'):
        check_data(cfg, 'val')


def test_the_first_image_of_an_annotation_file_must_be_there(config):
    cfg = config('detection', **{'train_dataloader.dataset.data_prefix.img': 'val2017/'})
    with pytest.raises(DataError, match='val2017/000000000005.png does not exist'):
        path = Path('annotations.json')
        content = json.loads(Path(
            'data/digits/coco/annotations/instances_train2017.json').read_text())  # fmt: skip
        content['images'] = content['images'][4:]
        path.write_text(json.dumps(content))
        cfg.train_dataloader.dataset.ann_file = str(path.absolute())
        check_data(cfg, 'train')


@DATASETS.register_module()
class Chances:
    """A dataset of what the three generators give."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return dict(x=[index, runtime.random.random(), np.random.rand(), torch.rand(1).item()])


def draw(workers=0, epochs=2, seed=0, skip=0, **options):
    """The samples of some epochs, an array (epochs, N, 4)."""
    loader = Runner.build_dataloader(
        dict(dataset=dict(type='Chances', size=10), batch_size=4, num_workers=workers,
             sampler=dict(type='DefaultSampler', shuffle=True),
             collate_fn=dict(type='default_collate'), **options),
        seed=seed)  # fmt: skip
    passes = []
    for epoch in range(epochs):
        loader.batch_sampler.sampler.set_epoch(epoch)
        loader.batch_sampler.skip = skip
        passes.append(np.array([x for batch in loader for x in zip(*batch['x'], strict=True)]))
    return passes


def test_augmentation_depends_on_seed_and_place_alone():
    first, second = draw()
    assert len(first) == 10 and sorted(first[:, 0]) == list(range(10))
    assert not np.isin(first[:, 1:], second[:, 1:]).any()  # other chance in another epoch
    assert len(np.unique(first[:, 1:])) == 30
    for same in (
        draw(workers=1),
        draw(workers=2),
        draw(workers=2, persistent_workers=True),
    ):
        np.testing.assert_array_equal(same[0], first)
        np.testing.assert_array_equal(same[1], second)
    assert not np.isin(draw(seed=1)[0][:, 1:], first[:, 1:]).any()
    np.testing.assert_array_equal(draw(skip=1)[0], first[4:])
    assert len(draw(drop_last=True)[0]) == 8


def test_the_chance_of_the_model_is_left_alone():
    samples = runtime.Samples(Chances(2), seed=0)
    torch.manual_seed(5)
    np.random.seed(5)
    samples[runtime._Place(1, (0, 0, 0))]
    assert torch.rand(1).item() == torch.rand(1, generator=torch.manual_seed(5)).item()
    assert np.random.rand() == np.random.RandomState(5).rand()


def test_a_config_may_have_its_own_batch_sampler(config):
    cfg = config('detection')
    assert cfg.train_dataloader.batch_sampler.type == 'AspectRatioBatchSampler'
    with DATASETS.switch_scope_and_registry('mmdet'):
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert type(loader.batch_sampler.batches).__name__ == 'AspectRatioBatchSampler'
    assert len(loader) == 4 and len(loader.dataset) == 8
    assert loader.dataset.metainfo['classes'][0] == 'zero'


def build(cfg):
    """A runner with everything built and nothing run."""
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.call_hook('before_run')
    return runner


def test_weights_of_any_format_load_and_reach_the_average(config, trained):
    file = trained('detection') / 'epoch_2.pth'
    expected = read_checkpoint(file)['state_dict']
    plain = {f'module.{name}': value for name, value in expected.items()}
    torch.save(plain, 'plain.pth')
    for path in (file, 'plain.pth'):
        runner = build(config('detection'))
        runner.load_checkpoint(path)
        average = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook').ema_model.module
        for model in (runner.model, average):
            state = model.state_dict()
            assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_a_file_of_weights_cannot_be_resumed(config, trained):
    state = read_checkpoint(trained('classification') / 'epoch_2.pth')
    torch.save(state['state_dict'], 'weights.pth')
    with pytest.raises(CheckpointError, match='weights.pth cannot be resumed, it has no'):
        build(config('classification')).resume('weights.pth')
    state['state_dict'].popitem()
    torch.save(state, 'other.pth')
    with pytest.raises(CheckpointError, match='other.pth does not fit this config'):
        build(config('classification')).resume('other.pth')


def test_resuming_runs_nothing_from_the_file(config, trained, here):
    """MMEngine executes meta['config'] of what it resumes: shown first, so that this can fail."""
    state = read_checkpoint(trained('classification') / 'epoch_1.pth')
    state['meta']['config'] = "open('hacked', 'w').close()\n"
    torch.save(state, 'evil.pth')
    MMRunner.resume(build_stock(config('classification')), 'evil.pth')
    assert (here / 'hacked').exists()
    (here / 'hacked').unlink()
    runner = build(config('classification'))
    runner.resume('evil.pth')
    assert runner.epoch == 1
    assert not (here / 'hacked').exists()


def build_stock(cfg):
    runner = MMRunner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    return runner


def test_a_checkpoint_is_written_whole_or_not_at_all(config, here, monkeypatch):
    runner = build(config('classification'))
    runner.save_checkpoint('w', 'epoch_1.pth')
    before = (here / 'w/epoch_1.pth').read_bytes()
    assert [p.name for p in (here / 'w').iterdir() if p.suffix in ('.pth', '.partial')] == [
        'epoch_1.pth'
    ]

    def interrupted(*args):
        (here / 'w/.epoch_1.pth.partial').write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr('mmengine.fileio.backends.local_backend.LocalBackend.put', interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.save_checkpoint('w', 'epoch_1.pth')
    assert (here / 'w/epoch_1.pth').read_bytes() == before


def test_one_checkpoint_is_always_there(config):
    cfg = config('classification')
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
    hooks = build(cfg).hooks
    assert [h.max_keep_ckpts for h in hooks if hasattr(h, 'max_keep_ckpts')] == [2]


@pytest.mark.parametrize(
    'error, sentence',
    [
        (UsageError('Do this.'), 'Do this.'),
        (DataError('Caught DataError.\n  Traceback\nclassification.data.DataError: x.png is bad.'),
         'x.png is bad.'),
        (KeyError('X is not in the mmengine::model registry. Please check'), 'X is not in the'),
        (TypeError("M.__init__() got an unexpected keyword argument 'a'"), "argument 'a'"),
    ],
)  # fmt: skip
def test_an_expected_error_is_a_sentence(error, sentence, capsys):
    with pytest.raises(SystemExit) as stop, runtime.errors_in_one_sentence():
        raise error
    err = capsys.readouterr().err
    assert stop.value.code == 1
    assert err.startswith('error: ') and sentence in err and err.count('\n') == 1


@pytest.mark.parametrize('error', [ValueError('bug'), KeyError('bug'), TypeError('bug')])
def test_an_unexpected_error_keeps_its_traceback(error):
    with pytest.raises(type(error), match='bug'), runtime.errors_in_one_sentence():
        raise error


def test_of_processes_that_start_one_speaks(monkeypatch, capsys):
    monkeypatch.setenv('LOCAL_RANK', '1')
    with pytest.raises(SystemExit), runtime.errors_in_one_sentence():
        raise UsageError('Do this.')
    assert capsys.readouterr().err == ''
    check_data(Config(dict(train_dataloader=dict(dataset=dict(data_root='none')))), 'train')
