"""Image folders: what is found, what is refused, and what the configs' transforms do."""

import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, HOOKS, TRANSFORMS
from mmengine.runner import BaseLoop, Runner
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

import classification  # noqa: F401  registers
from classification.datasets.archive import _open_zip
from classification.engine.errors import DataError

CONFIGS = Path(__file__).parents[3] / 'configs'
IMAGENET = 'classification/mila-t_8xb128_in1k.py'
DIGITS = 'quickstart/mila-digits_1xb64_digits.py'


def picture(path, size=(40, 36), mode='RGB', seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return pixels


@pytest.fixture
def root(tmp_path):
    for i, name in enumerate(['b/2.png', 'b/10.JPEG', 'a/deep/1.jpg', 'c/1.png', '.cache/1.png']):
        picture(tmp_path / name, seed=i)
    (tmp_path / 'b/notes.txt').write_text('no image')
    (tmp_path / 'README').write_text('no class')
    return tmp_path


def build(root, **kwargs):
    pipeline = [dict(type='ReadImage'), dict(type='TimmTransform', input_size=32)]
    return DATASETS.build(
        dict(type='ImageFolder', data_root=str(root), pipeline=pipeline, **kwargs)
    )


def listing(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    root = dataset.data_root
    return [(Path(i['img_path']).relative_to(root).as_posix(), i['gt_label']) for i in infos]


def test_image_folder(root):
    dataset = build(root)
    assert dataset.metainfo['classes'] == ['a', 'b', 'c']
    assert listing(dataset) == [
        ('a/deep/1.jpg', 0),
        ('b/10.JPEG', 1),
        ('b/2.png', 1),
        ('c/1.png', 2),
    ]
    assert dataset[1]['inputs'].shape == (3, 32, 32) and dataset[1]['targets'] == 1


def test_named_classes(root, tmp_path):
    """An order of its own, and classes without a folder keep their place."""
    names = ['c', 'missing', 'b', 'a']
    (tmp_path / 'classes.txt').write_text('\n'.join(names))
    for classes in (names, str(tmp_path / 'classes.txt')):
        dataset = build(root, metainfo=dict(classes=classes))
        assert dataset.metainfo['classes'] == names
        assert [label for _, label in listing(dataset)] == [3, 2, 2, 0]


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda root: root / 'nowhere', r'nowhere does not exist: put'),
        (lambda root: root / 'a/deep', r'deep has no folders'),
        (
            lambda root: (root / 'd').mkdir() or root,
            r'/d holds no image \(.*\.jpg.*remove the folder',
        ),
        (lambda root: (root / 'c/1.png').unlink() or root, r'/c holds no image'),
    ],
)
def test_bad_folder(root, damage, message):
    folder = damage(root)
    with pytest.raises(DataError, match=message):
        build(folder)


def test_unknown_class(root):
    with pytest.raises(DataError, match='/c is none of the 2 classes'):
        build(root, metainfo=dict(classes=['a', 'b']))


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'RGB', 'RGBA', 'CMYK'])
def test_any_image_becomes_rgb(tmp_path, mode):
    path = tmp_path / ('x.jpg' if mode == 'CMYK' else 'x.png')
    picture(path, mode=mode)
    image = TRANSFORMS.build(dict(type='ReadImage'))(dict(img_path=path))['img']
    assert (image.mode, image.size) == ('RGB', (40, 36))


def cut(path):
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    'damage',
    [cut, Path.unlink, lambda path: path.write_text('<html>'), lambda path: path.write_bytes(b'')],
)
@pytest.mark.parametrize('name', ['b/2.png', 'b/10.JPEG'])
def test_unreadable_image(root, name, damage):
    dataset = build(root)
    damage(root / name)
    index = [path for path, _ in listing(dataset)].index(name)
    with pytest.raises(DataError, match=f'{name} cannot be read as an image .*replace or remove'):
        dataset[index]


# Archives and lists


def pack(root, kind, prefix='', compress=False):
    """`root` as an archive beside it, with `prefix` before the names."""
    path = root.with_suffix(f'.{kind}')
    if kind == 'zip':
        how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, 'w', how) as file:
            for member in sorted(root.rglob('*'), reverse=True):
                file.write(member, f'{prefix}{member.relative_to(root)}')
    else:
        with tarfile.open(path, 'w:gz' if compress else 'w') as file:
            file.add(root, prefix or '.')
    return path


@pytest.fixture
def folder(tmp_path):
    """Images of three classes in a folder of its own."""
    for i, name in enumerate(
        [
            'b/2.png',
            'b/10.JPEG',
            'a/deep/1.jpg',
            'a/2.jpg',
            'c/' + 120 * 'x' + '.png',
            '.cache/1.png',
        ]
    ):
        picture(tmp_path / 'train' / name, seed=i)
    (tmp_path / 'train/b/notes.txt').write_text('no image')
    return tmp_path / 'train'


def archive_dataset(path, kind='ImageArchive', size=32, **kwargs):
    pipeline = [dict(type='ReadImage'), dict(type='TimmTransform', input_size=size)]
    return DATASETS.build(dict(type=kind, data_root=str(path), pipeline=pipeline, **kwargs))


@pytest.mark.parametrize(
    'kind, prefix, compress',
    [
        ('tar', '', False),
        ('tar', 'train', False),
        ('tar', './', False),
        ('zip', '', False),
        ('zip', 'train/', False),
        ('zip', '', True),
    ],
)
def test_an_archive_is_the_folder(folder, kind, prefix, compress):
    """The same classes, order and images, read by several workers that the process forks."""
    path = pack(folder, kind, prefix, compress)
    before = {file: file.stat().st_mtime_ns for file in folder.parent.rglob('*')}
    expected, dataset = archive_dataset(folder, 'ImageFolder'), archive_dataset(path)
    assert dataset.metainfo == expected.metainfo
    assert listing(dataset) == listing(expected)
    dataset[0]  # opened before the workers are forked
    loaders = [
        torch.utils.data.DataLoader(d, num_workers=workers, batch_size=1)
        for d, workers in ((expected, 0), (dataset, 2))
    ]
    for ours, theirs in zip(*loaders, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert {file: file.stat().st_mtime_ns for file in folder.parent.rglob('*')} == before


def test_each_process_opens_a_zip_itself(folder, monkeypatch):
    """What a fork shares has one place to read at, and seeks of one would lead another astray."""
    dataset = archive_dataset(pack(folder, 'zip'))
    dataset[0], dataset[1]
    opened = _open_zip.cache_info().misses
    monkeypatch.setattr('os.getpid', lambda: -1)
    dataset[0], dataset[1]
    assert _open_zip.cache_info().misses == opened + 1


def test_a_tar_of_tars(folder):
    """As ImageNet's training images come: n01440764.tar, … in one."""
    with tarfile.open(folder.parent / 'whole.tar', 'w') as whole:
        for name in 'cab':
            with tarfile.open(folder / f'{name}.tar', 'w') as one:
                one.add(folder / name, '.')
            whole.add(folder / f'{name}.tar', f'{name}.tar')
    expected, dataset = (
        archive_dataset(folder, 'ImageFolder'),
        archive_dataset(folder.parent / 'whole.tar'),
    )
    assert listing(dataset) == listing(expected)
    for i in range(len(expected)):
        torch.testing.assert_close(dataset[i], expected[i], rtol=0, atol=0)


def test_an_archive_is_never_unpacked(tmp_path):
    """Names that lead elsewhere, and links, are no images; the others are labels only."""
    picture(tmp_path / 'a/1.png')
    with tarfile.open(tmp_path / 'x.tar', 'w') as file:
        for name in ('../../evil/1.png', 'a/../../b/1.png', 'a/1.png'):
            file.add(tmp_path / 'a/1.png', name)
        link = tarfile.TarInfo('c/1.png')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        file.addfile(link)
    before = set(tmp_path.rglob('*'))
    dataset = archive_dataset(tmp_path / 'x.tar')
    assert dataset.metainfo['classes'] == ['a'] and len(dataset) == 1
    dataset[0]
    assert set(tmp_path.rglob('*')) == before


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_images(path):
    path.unlink()
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a/notes.txt', 'none')


def no_folders(path):
    with zipfile.ZipFile(path, 'a') as file:
        file.writestr('1.png', 'none')


@pytest.mark.parametrize(
    'damage, message',
    [
        (Path.unlink, 'train.zip does not exist: put it there'),
        (half, r'train.zip is damaged, or no .zip and no uncompressed .tar \(.*make it again'),
        (lambda path: path.write_text('<html>'), 'train.zip is damaged'),
        (no_images, r'train.zip has no images \(.*expected CLASS/NAME'),
        (no_folders, 'or some outside of folders'),
    ],
)
def test_bad_archives(folder, damage, message):
    path = pack(folder, 'zip')
    damage(path)
    with pytest.raises(DataError, match=message):
        archive_dataset(path)


def test_bad_tars(folder):
    path = pack(folder, 'tar', compress=True)
    with pytest.raises(DataError, match='train.tar is damaged, or no .zip and no uncompressed'):
        archive_dataset(path)
    half(pack(folder, 'tar'))
    with pytest.raises(DataError, match='train.tar is damaged'):
        archive_dataset(path)


@pytest.mark.parametrize('kind', ['tar', 'zip'])
def test_a_damaged_image_in_an_archive_is_named(folder, kind):
    (folder / 'b/2.png').write_text('<html>')
    path = pack(folder, kind)
    dataset = archive_dataset(path)
    index = [name for name, _ in listing(dataset)].index('b/2.png')
    message = rf'train.{kind}/b/2.png cannot be read as an image .*replace or remove'
    with pytest.raises(DataError, match=message):
        dataset[index]
    with pytest.raises(DataError, match='train.*c is none of the 2 classes'):
        archive_dataset(path, metainfo=dict(classes=['a', 'b']))
    path.write_bytes(b'')  # replaced while it is in use
    with pytest.raises(DataError, match=r'a/2.jpg cannot be read as an image'):
        _open_zip.cache_clear()
        dataset[0]


def listed(folder, text, **kwargs):
    (folder / 'list.txt').write_text(text)
    return archive_dataset(folder, 'ImageList', ann_file='list.txt', **kwargs)


def test_lists(folder):
    names = listed(folder, 'b/2.png wolf\n\n  a/deep/1.jpg\tbear \na/2.jpg wolf\n')
    assert names.metainfo['classes'] == ['bear', 'wolf']
    assert listing(names) == [('b/2.png', 1), ('a/deep/1.jpg', 0), ('a/2.jpg', 1)]
    assert names[0]['inputs'].shape == (3, 32, 32) and names[0]['targets'] == 1

    (folder / 'with space.png').write_bytes((folder / 'b/2.png').read_bytes())
    numbers = listed(folder, f'with space.png 2\n{folder}/a/2.jpg 0')
    assert numbers.metainfo['classes'] == ['0', '1', '2']
    assert [label for _, label in listing(numbers)] == [2, 0]
    named = listed(folder, 'a/2.jpg 1', metainfo=dict(classes=['x', 'y', 'z']))
    assert named.metainfo['classes'] == ['x', 'y', 'z'] and listing(named) == [('a/2.jpg', 1)]


@pytest.mark.parametrize(
    'text, classes, message',
    [
        ('', None, 'list.txt lists no image: expected'),
        ('a/2.jpg 0\nb/2.png', None, r'list.txt has no label in line 2 \(b/2.png\)'),
        ('a/2.jpg 3', ['x', 'y'], 'list.txt has label 3, metainfo names 2 classes'),
        ('a/2.jpg cat', ['x', 'y'], 'list.txt/cat is none of the 2 classes'),
    ],
)
def test_bad_lists(folder, text, classes, message):
    with pytest.raises(DataError, match=message):
        listed(folder, text, **(dict(metainfo=dict(classes=classes)) if classes else {}))


def test_a_list_that_is_missing(folder):
    with pytest.raises(DataError, match='none.txt cannot be read as a list of images'):
        archive_dataset(folder, 'ImageList', ann_file='none.txt')


def pipeline(config, split):
    cfg = Config.fromfile(CONFIGS / config)
    return cfg[f'{split}_dataloader'].dataset.pipeline


def test_imagenet_evaluation(tmp_path):
    """The shorter side to 256 (as it is here), the 224 in the centre, normalised."""
    pixels = picture(tmp_path / 'x.png', size=(300, 256))
    result = Compose(pipeline(IMAGENET, 'test'))(dict(img_path=tmp_path / 'x.png', gt_label=3))
    crop = torch.from_numpy(pixels[16:240, 38:262]).permute(2, 0, 1) / 255
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    )
    torch.testing.assert_close(result['inputs'], (crop - mean) / std)
    assert result['targets'] == 3


@pytest.mark.parametrize('config, size', [(IMAGENET, 224), (DIGITS, 64)])
def test_transforms_of_configs(tmp_path, config, size):
    """Training draws anew each time, evaluation never; both end at the model's size."""
    picture(tmp_path / 'x.png', size=(80, 80))
    train, val = (Compose(pipeline(config, split)) for split in ('train', 'val'))
    draws = [
        [transform(dict(img_path=tmp_path / 'x.png'))['inputs'] for _ in range(2)]
        for transform in (train, val)
    ]
    assert all(image.shape == (3, size, size) for pair in draws for image in pair)
    assert not torch.equal(*draws[0])
    assert torch.equal(*draws[1])


def test_recipe_of_imagenet():
    text = repr(TRANSFORMS.build(pipeline(IMAGENET, 'train')[1]))
    for part in (
        'RandomResizedCropAndInterpolation(size=(224, 224), scale=(0.08, 1.0), '
        'ratio=(0.75, 1.3333), interpolation=bicubic)',
        'RandomHorizontalFlip(p=0.5)',
        'RandAugment(n=2,',
    ):
        assert part in text, part
    erasing = TRANSFORMS.build(pipeline(IMAGENET, 'train')[1]).transform.transforms[-1]
    assert (erasing.probability, erasing.max_count, erasing.per_pixel) == (0.25, 1, True)


def test_digits_are_never_mirrored():
    assert 'Flip' not in repr(TRANSFORMS.build(pipeline(DIGITS, 'train')[1]))


def test_unknown_argument():
    with pytest.raises(TypeError, match='input_sise'):
        TRANSFORMS.build(dict(type='TimmTransform', input_sise=32))


def test_batches(root):
    """What the model gets."""
    loader = Runner.build_dataloader(
        dict(
            dataset=build(root),
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler'),
            collate_fn=dict(type='default_collate'),
        )
    )
    batch = next(iter(loader))
    assert batch['inputs'].shape == (4, 3, 32, 32)
    assert batch['targets'].dtype == torch.int64
    assert sorted(batch['targets'].tolist()) == [0, 1, 1, 2]


def test_unreadable_image_in_a_worker(root):
    """The worker's report ends with the sentence, which is what the tools print."""
    dataset = build(root)
    (root / 'c/1.png').write_bytes(b'')
    batches = iter(torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=1))
    with pytest.raises(DataError) as error:
        next(batches)
    assert 'c/1.png cannot be read' in str(error.value).strip().splitlines()[-1]
    error.value.__traceback__ = None  # it holds the worker, which would be waited for at the end


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
