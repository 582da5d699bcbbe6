"""The digits on disk: the three layouts agree, nothing leaks from train to val, runs repeat."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from classification.datasets import digits_files as module
from classification.datasets.digits import CLASSES, FOLDERS, SEG_CLASSES

SMALL = dict(
    train_scenes=8,
    val_scenes=5,
    scene_size=96,
    patch_size=32,
    train_renderings=1,
    min_height=16,
    max_height=32,
)
SAMPLES = 500
SPLITS = [('train', 'train2017', 'training'), ('val', 'val2017', 'validation')]


def build(out, **changes):
    return module.make_digits(out, progress=False, **{**SMALL, **changes})


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def read(path):
    with Image.open(path) as image:
        return image.mode, np.array(image)


def instances(root, coco_name):
    return json.loads((root / f'coco/annotations/instances_{coco_name}.json').read_text())


@pytest.fixture(scope='module', autouse=True)
def fewer_samples():
    """The first 500 of the 1797 samples: each build then takes half a second."""
    digits = load_digits()
    digits.update(images=digits.images[:SAMPLES], target=digits.target[:SAMPLES])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'load_digits', lambda: digits)
        yield


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('digits') / 'deep' / 'digits'
    build(out)
    return out


def samples_shown(root, split, coco_name):
    pictures = (root / 'imagenet' / split).rglob('*.png')
    return {int(path.stem.removeprefix('sample').split('_')[0]) for path in pictures} | {
        entry['sample'] for entry in instances(root, coco_name)['annotations']
    }


def test_same_seed_gives_the_same_bytes_and_another_seed_other_ones(root, tmp_path):
    first = contents(root)
    build(tmp_path / 'again')
    assert contents(tmp_path / 'again') == first
    build(tmp_path / 'other', seed=1)
    other = contents(tmp_path / 'other')
    scenes = [name for name in first if name.startswith('coco/') and name.endswith('.png')]
    assert len(scenes) == 13 and all(first[name] != other[name] for name in scenes)
    manifests = [json.loads(files['digits.json']) for files in (first, other)]
    assert manifests[0]['split'] != manifests[1]['split']


def test_train_and_val_share_no_sample(root):
    split = json.loads((root / 'digits.json').read_text())['split']
    assert sorted(split['train'] + split['val']) == list(range(SAMPLES))
    shown = {name: samples_shown(root, name, coco_name) for name, coco_name, _ in SPLITS}
    assert shown == {name: set(indices) for name, indices in split.items()}
    target = load_digits().target[:SAMPLES]
    shares = np.bincount(target[split['val']]) / np.bincount(target)
    assert np.allclose(shares, 0.2, atol=0.02)


@pytest.mark.parametrize('split, coco_name, ade_name', SPLITS)
def test_layouts_hold_what_the_manifest_counts(root, split, coco_name, ade_name):
    count = json.loads((root / 'digits.json').read_text())['counts'][split]
    folders = sorted(path.name for path in (root / 'imagenet' / split).iterdir())
    assert folders == list(FOLDERS)
    pictures = list((root / 'imagenet' / split).rglob('*.png'))
    assert len(pictures) == count['pictures'] == count['samples']
    target = load_digits().target
    for path in pictures:
        assert path.parent.name[0] == str(target[int(path.stem[6:10])])
    mode, picture = read(pictures[0])
    assert mode == 'RGB' and picture.shape == (32, 32, 3)

    data = instances(root, coco_name)
    names = sorted(entry['file_name'] for entry in data['images'])
    assert len(names) == count['scenes'] == SMALL[f'{split}_scenes']
    assert len(data['annotations']) == count['instances']
    for folder in (f'coco/{coco_name}', f'ade/images/{ade_name}', f'ade/annotations/{ade_name}'):
        assert sorted(path.name for path in (root / folder).iterdir()) == names
    for name in names:
        scene = root / 'coco' / coco_name / name
        assert scene.read_bytes() == (root / 'ade/images' / ade_name / name).read_bytes()
        mode, labels = read(root / 'ade/annotations' / ade_name / name)
        assert mode == 'L' and labels.shape == read(scene)[1].shape[:2] == (96, 96)
        assert set(np.unique(labels)) <= set(range(1, len(SEG_CLASSES) + 1))


@pytest.mark.parametrize('_, coco_name, ade_name', SPLITS)
def test_coco_masks_agree_with_boxes_digits_and_semantic_maps(root, _, coco_name, ade_name):
    coco = pytest.importorskip('pycocotools.coco').COCO(
        str(root / f'coco/annotations/instances_{coco_name}.json')
    )
    assert [entry['name'] for entry in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    target = load_digits().target
    for image in coco.loadImgs(coco.getImgIds()):
        expected = np.ones((image['height'], image['width']), int)
        covered = np.zeros_like(expected)
        for entry in coco.loadAnns(coco.getAnnIds(image['id'])):
            mask = coco.annToMask(entry).astype(bool)
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert entry['bbox'] == box
            assert entry['area'] == mask.sum() > 0 and entry['iscrowd'] == 0
            assert entry['category_id'] == target[entry['sample']] + 1
            expected[mask] = entry['category_id'] + 1
            covered += mask
        assert covered.max() == 1
        _, labels = read(root / 'ade/annotations' / ade_name / image['file_name'])
        assert (labels == expected).all()


def test_pycocotools_scores_the_truth_as_perfect(root):
    pycocotools = pytest.importorskip('pycocotools.coco')
    evaluation = pytest.importorskip('pycocotools.cocoeval')
    truth = pycocotools.COCO(str(root / 'coco/annotations/instances_val2017.json'))
    results = [
        {
            'image_id': entry['image_id'],
            'category_id': entry['category_id'],
            'score': 1.0,
            'segmentation': truth.annToRLE(entry),
        }
        for entry in truth.loadAnns(truth.getAnnIds())
    ]
    scorer = evaluation.COCOeval(truth, truth.loadRes(results), 'segm')
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    assert scorer.stats[0] == pytest.approx(1.0)


def test_more_scenes_leave_the_earlier_ones_alone(root, tmp_path):
    build(tmp_path / 'more', train_scenes=9)
    first, more = contents(root), contents(tmp_path / 'more')
    changed = {name for name in first if first[name] != more[name]}
    assert changed == {'digits.json', 'coco/annotations/instances_train2017.json'}


def test_complete_output_is_reused_and_a_damaged_one_rebuilt(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*.png')}
    build(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*.png')} == before

    whole = contents(root)
    (root / 'coco/train2017/000000000001.png').unlink()
    stale = root.with_name('.digits.partial')  # what a killed run leaves behind
    stale.mkdir()
    (stale / 'half.png').touch()
    build(root)
    assert contents(root) == whole
    assert [path.name for path in root.parent.iterdir()] == ['digits']


@pytest.mark.parametrize('manifest', [None, '{}', '[]', 'not json', '{"generator": "other"}'])
def test_a_folder_of_someone_else_is_refused_untouched(tmp_path, manifest):
    (tmp_path / 'theirs.txt').write_text('keep')
    if manifest is not None:
        (tmp_path / 'digits.json').write_text(manifest)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match='not made by make_digits'):
        build(tmp_path)
    assert contents(tmp_path) == before


def test_rebuilding_never_deletes_a_file_added_by_hand(root):
    (root / 'notes.txt').write_text('keep')
    build(root)  # reusing it is fine
    with pytest.raises(FileExistsError, match='notes.txt'):
        build(root, seed=1)
    assert (root / 'notes.txt').read_text() == 'keep'
    (root / 'notes.txt').unlink()


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, 'write_scenes', interrupt)
    monkeypatch.setattr(module, 'write_classification', lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / 'digits')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'wrong',
    [
        dict(train_scenes=0),
        dict(seed=-1),
        dict(min_digits=9),
        dict(max_height=33),
        dict(clutter=-1.0),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match='must'):
        build(tmp_path / 'digits', **wrong)
    assert not list(tmp_path.iterdir())
