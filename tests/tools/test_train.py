"""tools/train.py: exact resuming, nothing overwritten, options, bad input in one sentence."""

import json
import re
import shutil

import pytest
import torch
from mmengine.config import Config

from classification.engine.running.samples import ReproducibleDataset
from classification.engine.weights.formats import read_checkpoint
from tests.helpers import LAST, assert_same_training

HALF = dict(classification='epoch_1.pth', detection='epoch_1.pth', segmentation='iter_3.pth')


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('task', HALF)
def test_a_resumed_run_ends_exactly_as_one_that_never_stopped(task, workers, trained, run, here):
    whole = trained(task)
    (here / 'again').mkdir()
    shutil.copy(whole / HALF[task], here / 'again')
    options = [f'train_dataloader.num_workers={workers}']
    if workers:
        options.append('train_dataloader.persistent_workers=True')
    run('train', task, '--work-dir', 'again', '--resume', '--cfg-options', *options)
    assert_same_training(
        read_checkpoint(here / 'again' / LAST[task]), read_checkpoint(whole / LAST[task])
    )


def test_a_run_resumes_within_an_epoch(trained, run, here):
    options = ['default_hooks.checkpoint.by_epoch=False', 'default_hooks.checkpoint.interval=3']
    run('train', 'detection', '--work-dir', 'a', '--cfg-options', *options)
    run('train', 'detection', '--work-dir', 'b', '--resume', 'a/iter_3.pth')
    assert_same_training(
        read_checkpoint('b/epoch_2.pth'), read_checkpoint(trained('detection') / 'epoch_2.pth')
    )


def spy_on_samples(monkeypatch):
    """A list that receives each (folder, place) that is read."""
    read = []
    load = ReproducibleDataset.__getitem__

    def note(self, place):
        read.append((self.data_root, place))
        return load(self, place)

    monkeypatch.setattr(ReproducibleDataset, '__getitem__', note)
    return read


def test_each_epoch_has_its_own_order(run, here, monkeypatch):
    read = spy_on_samples(monkeypatch)
    run('train', 'classification', '--work-dir', 'w')
    train = [place for root, place in read if root.endswith('train')]
    orders = [[int(p) for p in train if p.position[0] == epoch] for epoch in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]


def test_resuming_by_iterations_reads_no_image_again(trained, run, here, monkeypatch):
    checkpoint = trained('segmentation') / 'iter_3.pth'  # which may be trained only now
    read = spy_on_samples(monkeypatch)
    run('train', 'segmentation', '--work-dir', 'w', '--resume', checkpoint)
    assert len(read) == 3 * 2 + 4  # three iterations, and the validation


def test_another_seed_gives_another_run(trained, run, here):
    run('train', 'segmentation', '--work-dir', 'w', '--cfg-options', 'randomness.seed=1')
    one, other = (read_checkpoint(f / 'iter_6.pth') for f in (trained('segmentation'), here / 'w'))
    name = 'decode_head.conv_seg.weight'
    assert not torch.equal(one['state_dict'][name], other['state_dict'][name])


def test_resume_without_a_checkpoint_starts_and_of_a_complete_run_changes_nothing(
    run, here, contents
):
    run('train', 'classification', '--work-dir', 'w', '--resume')
    before = {name: data for name, data in contents('w').items() if name.endswith('.pth')}
    assert set(before) == {'epoch_1.pth', 'epoch_2.pth'}
    (here / 'w').rename('moved')  # last_checkpoint holds a full path
    run('train', 'classification', '--work-dir', 'moved', '--resume')
    after = {name: data for name, data in contents('moved').items() if name.endswith('.pth')}
    assert after == before


@pytest.mark.parametrize('resume', [(), ('--resume', 'other/epoch_1.pth')])
def test_the_checkpoints_of_another_run_are_never_overwritten(
    resume, trained, fails, here, contents
):
    shutil.copytree(trained('classification'), 'w')
    shutil.copytree(trained('classification'), 'other')
    before = contents('w')
    sentence = fails('train', 'classification', '--work-dir', 'w', *resume)
    assert 'w already holds checkpoints of a run (epoch_1.pth, epoch_2.pth)' in sentence
    assert '--resume' in sentence and '--work-dir' in sentence
    assert contents('w') == before


def test_an_error_at_the_start_leaves_the_work_dir_as_it_was(trained, fails, here, contents):
    shutil.copytree(trained('classification'), 'w')
    before = contents('w')
    (here / 'w/epoch_2.pth').rename('w/keep')
    torch.save({'state_dict': {'x': torch.zeros(1)}}, 'w/epoch_2.pth')
    sentence = fails('train', 'classification', '--work-dir', 'w', '--resume')
    assert 'w/epoch_2.pth cannot be resumed, it has no message_hub, meta, optimizer' in sentence
    (here / 'w/keep').rename('w/epoch_2.pth')
    after = contents('w')
    assert {name: after[name] for name in before} == before
    assert all('/' in name for name in after.keys() - before.keys())  # the new run's own folder


@pytest.mark.parametrize(
    'task, checkpoint', [('segmentation', 'iter_6.pth'), ('detection', 'epoch_2.pth')]
)
def test_amp_on_a_cpu_is_bfloat16(task, checkpoint, run, trained, here, monkeypatch):
    kinds = set()
    linear = torch.nn.functional.linear
    monkeypatch.setattr(
        torch.nn.functional, 'linear', lambda *args: kinds.add((y := linear(*args)).dtype) or y
    )
    run('train', task, '--work-dir', 'w', '--amp')
    assert torch.bfloat16 in kinds
    state = read_checkpoint(f'w/{checkpoint}')['state_dict']
    assert all(value.dtype != torch.bfloat16 for value in state.values())
    assert all(value.isfinite().all() for value in state.values())


def test_a_compiled_mmcv_has_no_bfloat16(fails, here, monkeypatch):
    monkeypatch.setattr('detection.task.has_compiled_operators', lambda: True)
    assert 'train this detector without --amp' in fails('train', 'detection', '--amp')


def test_the_learning_rate_follows_the_batch_size(run, fails, here):
    run(
        'train',
        'detection',
        '--work-dir',
        'w',
        '--auto-scale-lr',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'param_scheduler=None',
    )
    assert read_checkpoint('w/epoch_1.pth')['optimizer']['param_groups'][0]['lr'] == pytest.approx(
        1e-3 * 2 / 16
    )
    sentence = fails('train', 'segmentation', '--auto-scale-lr')
    assert 'auto_scale_lr.base_batch_size' in sentence and 'segmentation.py' in sentence


def test_tensorboard_beside_the_log(run, trained, here):
    run(
        'train',
        'classification',
        '--work-dir',
        'w',
        '--tensorboard',
        '--cfg-options',
        'default_hooks.logger.interval=1',
        'default_hooks.logger.type=LoggerHook',
    )
    (events,) = here.glob('w/*/vis_data/events.out.tfevents.*')
    assert b'loss' in events.read_bytes()
    assert list(here.glob('w/*/vis_data/scalars.json'))
    assert not list(trained('classification').glob('*/vis_data/events*'))


def test_the_config_of_a_run_is_kept(trained):
    for path in (
        trained('detection') / 'detection.py',
        *trained('detection').glob('*/vis_data/config.py'),
    ):
        assert Config.fromfile(path).model.backbone.type == 'MILA'


def bad_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


COCO = 'coco/annotations/instances_train2017.json'
BAD = {
    'no config': ('detection', None, ['configs/nope.py'], 'Config configs/nope.py does not exist'),
    'no data': (
        'detection',
        None,
        ['train_dataloader.dataset.data_root=data/digits/none'],
        'data/digits/none/train2017 does not exist: make it with `python tools/make_digits.py',
    ),
    'no annotations': (
        'detection',
        lambda d: (d / COCO).unlink(),
        [],
        f'{COCO} does not exist: make it with',
    ),
    'half an annotation file': (
        'detection',
        lambda d: (d / COCO).write_text('{"images": ['),
        [],
        f'{COCO} is not an annotation file in COCO format',
    ),
    'a category too many': (
        'detection',
        lambda d: bad_json(d / COCO, lambda c: c['categories'].append({'id': 11, 'name': 'ten'})),
        [],
        f"{COCO}, category 11: class that is not expected ('ten')",
    ),
    'an undeclared category': (
        'detection',
        lambda d: bad_json(d / COCO, lambda c: c['annotations'][0].update(category_id=77)),
        [],
        f'{COCO}, annotation 1: annotation of an unknown class (category_id 77)',
    ),
    'a class too many': (
        'detection',
        lambda d: bad_json(
            d / COCO,
            lambda c: c.update(
                categories=c['categories'][:9],
                annotations=[a for a in c['annotations'] if a['category_id'] < 10],
            ),
        ),
        [],
        f"{COCO}: class that is missing ('nine')",
    ),
    'no segmentation images': (
        'segmentation',
        None,
        ['train_dataloader.dataset.data_prefix.img_path=none'],
        'data/digits/ade/none does not exist: make it with',
    ),
    'an unknown label': (
        'segmentation',
        None,
        [
            'train_dataloader.dataset.reduce_zero_label=False',
            'model.decode_head.num_classes=3',
            'model.auxiliary_head.num_classes=3',
            "train_dataloader.dataset.metainfo.classes=['a','b','c']",
        ],
        'map with an unknown colour or value (7)',
    ),
    'no class folders': (
        'classification',
        None,
        ['train_dataloader.dataset.data_root=data/none'],
        'data/none does not exist',
    ),
    'no weights': (
        'segmentation',
        None,
        ['model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.checkpoint=no.pth'],
        'Checkpoint no.pth does not exist',
    ),
    'a mistyped argument': (
        'segmentation',
        None,
        ['model.backbone.drop_pathrate=.1'],
        "'drop_pathrate'",
    ),
    'a mistyped type': ('segmentation', None, ['model.backbone.type=MLIA'], 'MLIA is not in'),
    'a value that cannot be': (
        'segmentation',
        None,
        ['model.backbone.arch=tin'],
        "arch 'tin' is none of tiny, small",
    ),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_sentence_with_the_file_and_the_cure(case, fails, own_data, here):
    task, damage, options, expected = BAD[case]
    if damage:
        damage(own_data)
    if options and '=' not in options[0]:
        task, options = options[0], []
    args = ['--cfg-options', *options] if options else []
    assert expected in fails('train', task, '--work-dir', 'w', *args)


@pytest.mark.parametrize(
    'task, image, damage, workers',
    [
        ('detection', 'coco/train2017/000000000003.png', b'garbage', 0),
        ('detection', 'coco/train2017/000000000003.png', None, 1),
        ('segmentation', 'ade/images/training/000000000003.png', b'', 1),
        ('segmentation', 'ade/annotations/training/000000000003.png', b'garbage', 0),
        ('classification', 'imagenet/train/3_three/sample0003_0.png', b'garbage', 1),
    ],
)
def test_an_unreadable_image_is_named(task, image, damage, workers, fails, own_data, here):
    if damage is None:
        (own_data / image).unlink()
    else:
        (own_data / image).write_bytes(damage)
    sentence = fails(
        'train', task, '--work-dir', 'w', '--cfg-options', f'train_dataloader.num_workers={workers}'
    )
    assert image in sentence
    words = 'missing image' if damage is None else 'cannot be read as an image|unreadable'
    assert re.search(words, sentence)
