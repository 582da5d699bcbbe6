"""detection/checks.py: what is about to be trained on, as mmdet takes it; see also test_train."""

import json
from pathlib import Path

import pytest
from PIL import Image

from classification.engine.configs.checks import check_data
from classification.engine.errors import DataError

ANN_FILE = 'annotations/instances_train2017.json'


@pytest.fixture
def change(own_data, config):
    """A function: a change of the training file's content -> a config of it."""

    def changed(edit, encoding='utf-8', split='train', **options):
        path = own_data / 'coco' / ANN_FILE.replace('train', split)
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content), encoding=encoding)
        return config('detection', **options)

    return changed


def every(**changes):
    """A function that gives all annotations of a content these keys; None deletes a key."""

    def edit(content):
        for annotation in content['annotations']:
            annotation.update(changes)
            for key in [key for key, value in changes.items() if value is None]:
                del annotation[key]

    return edit


def first(**changes):
    """As `every`, of the first annotation alone."""

    def edit(content):
        every(**changes)(dict(annotations=content['annotations'][:1]))

    return edit


def test_right_data_pass_without_a_word(config, capfd):
    check_data(config('detection'), 'train', 'val')
    out, err = capfd.readouterr()
    assert 'annotation' not in out + err


def test_images_must_be_there(config):
    cfg = config('detection', **{'train_dataloader.dataset.data_prefix.img': 'val2017/'})
    with pytest.raises(DataError, match='image 5: missing image .*val2017/000000000005.png'):
        path = Path('annotations.json')
        content = json.loads((Path('data/digits/coco') / ANN_FILE).read_text())
        content['images'] = content['images'][4:]
        path.write_text(json.dumps(content))
        cfg.train_dataloader.dataset.ann_file = str(path.absolute())
        check_data(cfg, 'train')


@pytest.mark.parametrize(
    'edit, kind',
    [
        (first(bbox=None), 'no box'),
        (first(bbox=[1, 2, 3]), 'box that is not four numbers'),
        (first(area=None), 'no area'),
        (first(area='9'), 'area that is no number'),
        (first(image_id=None), 'annotation without a usable image_id'),
        (first(image_id=[1]), 'annotation without a usable image_id'),
        (first(id=None), 'record without a usable id'),
        (first(id=2), 'annotation id given twice'),
        (first(category_id=99), 'annotation of an unknown class'),
        (first(segmentation=[[0, 0, 1e9, 0, 9, 9]]), 'polygon far outside the image'),
        (first(segmentation=None), 'object without a mask'),
        (every(segmentation=[]), 'object without a mask'),
        (every(bbox=[1, 1, 0, 0]), 'nothing to train on'),
        (lambda content: content['images'][0].pop('width'), 'no size stated'),
        (lambda content: content['categories'].reverse(), 'classes in another order'),
        (lambda content: content['annotations'].clear(), 'nothing to train on'),
    ],
)
def test_what_mmdet_would_stumble_over_is_an_error(edit, kind, change):
    cfg = change(edit)
    with pytest.raises(DataError, match=f'{kind}.*check_dataset.py .*detection.py'):
        check_data(cfg, 'train')


@pytest.mark.parametrize(
    'edit, said',
    [
        (first(bbox=[1, 1, 0, 5]), '1 object will not be trained on: 1 x box without area'),
        (first(area=0), '1 object will not be trained on: 1 x area of zero or less'),
        (first(image_id=99), '1 object will not be trained on: 1 x annotation of no image'),
        (first(bbox=[1, 1, 500, 30]), '1 x box beyond the image'),
    ],
)
def test_what_mmdet_drops_or_bends_is_said_once(edit, said, change, capfd):
    check_data(change(edit), 'train')
    said_now = ''.join(capfd.readouterr())
    assert said in said_now and 'annotation 1)' in said_now


def test_nothing_is_read_again_until_it_changes(change, monkeypatch, capfd):
    cfg = change(first(area=0))
    check_data(cfg, 'train')
    monkeypatch.setattr('detection.checks.read_coco', None)
    check_data(cfg, 'train')
    assert capfd.readouterr().out.count('1 x area of zero or less') == 1
    cfg.train_dataloader.dataset.filter_cfg.min_size = 8
    with pytest.raises(TypeError):
        check_data(cfg, 'train')


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_text_that_pycocotools_cannot_read_is_an_error(encoding, change):
    with pytest.raises(DataError, match='file not in plain UTF-8'):
        check_data(change(lambda content: None, encoding), 'train')


def test_evaluation_needs_iscrowd_and_training_does_not(change):
    check_data(change(every(iscrowd=None)), 'train')
    cfg = change(every(iscrowd=None), split='val')
    with pytest.raises(DataError, match='no iscrowd'):
        check_data(cfg, 'val')


def test_masks_matter_only_where_they_are_loaded(change, capfd):
    cfg = change(first(segmentation=[[0, 0, 1, 1]]))
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[1]['with_mask'] = False
    check_data(cfg, 'train')
    out, err = capfd.readouterr()
    assert 'polygon' not in out + err


def test_run_lengths_are_not_polygons(change, capfd):
    cfg = change(first(segmentation=dict(size=[64, 64], counts=[130, 1000, 2966])))
    cfg.train_dataloader.dataset.pipeline[1]['poly2mask'] = False
    check_data(cfg, 'train')
    assert '20 x run lengths where polygons are loaded' in ''.join(capfd.readouterr())


def test_images_below_the_least_size_leave_nothing_to_train_on(config):
    cfg = config('detection', **{'train_dataloader.dataset.filter_cfg.min_size': 100})
    with pytest.raises(DataError, match='nothing to train on .*min_size is 100'):
        check_data(cfg, 'train')


def test_a_turned_image_whose_labels_are_not_is_an_error(change, own_data):
    path = next((own_data / 'coco' / 'train2017').iterdir())
    exif = Image.Exif()
    exif[0x112] = 6
    Image.open(path).resize((64, 48)).save(path, exif=exif)

    def edit(content):
        (record,) = (image for image in content['images'] if image['file_name'] == path.name)
        record['height'] = 48

    with pytest.raises(DataError, match='labelled before it was turned'):
        check_data(change(edit), 'train')


def test_every_head_has_the_classes_of_the_data(config):
    cfg = config('detection', **{'model.roi_head.mask_head.num_classes': 80})
    with pytest.raises(DataError, match='roi_head.mask_head.num_classes is 80, .* names 10 '):
        check_data(cfg, 'train')


def test_classes_without_a_comma_are_an_error(config):
    cfg = config('detection', **{'train_dataloader.dataset.metainfo.classes': 'zero'})
    with pytest.raises(DataError, match="is the text 'zero', not a list"):
        check_data(cfg, 'train')


def test_what_is_known_is_forgotten_when_an_image_changes(config, own_data):
    cfg = config('detection')
    check_data(cfg, 'train')
    path = next((own_data / 'coco' / 'train2017').iterdir())
    path.write_text('no image')
    with pytest.raises(DataError, match='unreadable image'):
        check_data(cfg, 'train')


def test_a_cache_that_cannot_be_written_or_read_is_no_error(config, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    check_data(config('detection'), 'train')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    check_data(config('detection'), 'train')
    (kept,) = (tmp_path / 'cache').rglob('*.json')
    kept.write_text('[{"severity": 7}]')
    check_data(config('detection'), 'train')
    assert kept.read_text() == '[]'
