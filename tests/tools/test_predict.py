"""tools/predict.py: the files that it writes for each task, names, batches, unreadable images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from classification.visualization.colours import safe_colours
from tests.helpers import LAST

SCENES = 'data/digits/coco/val2017'
NAMES = [f'{i:012d}' for i in range(1, 5)]


@pytest.fixture
def predict(trained, run, here):
    """A function: task, images and options -> the folder that was written."""

    def call(task, *args, out='out', option=()):
        last = 'iter_6.pth' if task == 'segmentation' else 'epoch_2.pth'
        run('predict', task, trained(task) / last, *args, '--out', out, *option)
        return here / out

    return call


def test_detections_are_coco_annotations_and_overlays(predict):
    out = predict('detection', SCENES, option=['--score-thr', '0'])
    coco = COCO(out / 'results.json')
    assert [Path(image['file_name']).stem for image in coco.imgs.values()] == NAMES
    assert all(Path(image['file_name']).is_file() for image in coco.imgs.values())
    assert [c['name'] for c in coco.cats.values()][:2] == ['zero', 'one']
    assert coco.anns
    for annotation in coco.anns.values():
        image = coco.imgs[annotation['image_id']]
        mask = coco.annToMask(annotation)
        assert mask.shape == (image['height'], image['width']) == (64, 64)
        assert annotation['area'] == mask.sum()
        assert 1 <= annotation['category_id'] <= 10 and 0 <= annotation['score'] <= 1
        x, y, width, height = annotation['bbox']
        assert min(x, y, width, height) >= 0 and max(x + width, y + height) <= 64
    for name in NAMES:
        with Image.open(out / f'overlays/{name}.png') as overlay:
            drawn = np.asarray(overlay.convert('RGB'))
        plain = np.asarray(Image.open(f'{SCENES}/{name}.png').resize((320, 320)))
        assert drawn.shape == plain.shape and (drawn != plain).any()


def test_the_palette_may_be_one_for_all_eyes(predict):
    out = predict('segmentation', f'{SCENES}/{NAMES[0]}.png', option=['--palette', 'safe'])
    with Image.open(out / f'masks/{NAMES[0]}.png') as mask:
        count = 11  # the digits and their background
        assert mask.getpalette()[: 3 * count] == [c for rgb in safe_colours(count) for c in rgb]


def test_the_threshold_is_for_overlays_alone(predict, capsys):
    out = predict('detection', SCENES, option=['--score-thr', '1.1'])
    assert 'In 4 of them nothing has a score of at least 1.1' in capsys.readouterr().out
    assert json.loads((out / 'results.json').read_text())['annotations']
    for name in NAMES:
        plain = np.asarray(Image.open(f'{SCENES}/{name}.png').resize((320, 320)))
        assert (np.asarray(Image.open(out / f'overlays/{name}.png')) == plain).all()


def test_maps_are_palette_pngs_of_classes(predict):
    out = predict('segmentation', f'{SCENES}/*.png')
    for name in NAMES:
        with Image.open(out / f'masks/{name}.png') as mask:
            assert mask.mode == 'P' and mask.size == (64, 64)
            assert np.asarray(mask).max() <= 10
        assert (out / f'overlays/{name}.png').is_file()
    assert not (out / 'results.json').exists()


def test_the_best_classes_are_named_as_in_training(predict):
    out = predict('classification', 'data/digits/imagenet/val/3_three')
    results = json.loads((out / 'results.json').read_text())
    assert len(results) == 2
    for result in results:
        assert Path(result['file_name']).is_file() and len(result['best']) == 5
        scores = [best['score'] for best in result['best']]
        assert scores == sorted(scores, reverse=True)
        assert {best['class'] for best in result['best']} <= {
            p.name for p in Path('data/digits/imagenet/train').iterdir()
        }


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_a_batch_predicts_what_single_images_do(task, predict, here):
    # Of two sizes: only equal inputs share a batch.
    shutil.copytree(SCENES, 'images')
    with Image.open(f'images/{NAMES[1]}.png') as image:
        image.crop((0, 0, 64, 32)).save(f'images/{NAMES[1]}.png')
    single, batch = (
        predict(task, 'images', out=f'out{n}', option=['--batch-size', n]) for n in (1, 3)
    )
    if task == 'segmentation':
        for name in NAMES:
            maps = [np.asarray(Image.open(f / f'masks/{name}.png')) for f in (single, batch)]
            assert (maps[0] == maps[1]).mean() > 0.99
        return
    one, other = (json.loads((folder / 'results.json').read_text()) for folder in (single, batch))
    if task == 'classification':
        for a, b in zip(one, other, strict=True):
            assert a['file_name'] == b['file_name']
            assert a['best'][0]['score'] == pytest.approx(b['best'][0]['score'], abs=1e-4)
    else:
        assert one['images'] == other['images']
        scores = [[a['score'] for a in result['annotations']] for result in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_odd_images_are_named_and_the_others_done(trained, fails, here, capfd):
    shutil.copytree(SCENES, 'images')
    (here / 'images' / f'{NAMES[1]}.png').write_bytes(b'')
    Image.new('RGB', (1500, 40)).save(f'images/{NAMES[2]}.png')
    (here / 'images/notes.txt').touch()
    sentence = fails(
        'predict', 'segmentation', trained('segmentation') / 'iter_6.pth', 'images', '--out', 'out'
    )
    assert sentence.startswith('2 of 4 images could not be predicted: ')
    assert f'images/{NAMES[1]}.png cannot be read as an image' in sentence
    assert f'images/{NAMES[2]}.png (ValueError: MILABackbone needs images of at least' in sentence
    assert sorted(p.stem for p in (here / 'out/masks').iterdir()) == [NAMES[0], NAMES[3]]


def test_odd_images_that_can_be_predicted(predict, here, capfd):
    """Two of one name, a strip that was enlarged to 72000 pixels, and one of a single row."""
    (here / 'images').mkdir()
    random = np.random.default_rng(0)
    for name, size in {
        'a.jpg': (48, 64),
        'a.png': (64, 48),
        'long.jpg': (50, 12000),
        'row.png': (1, 5000),
    }.items():
        pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f'images/{name}')
    (here / 'images/notes.txt').touch()
    out = predict('classification', 'images')
    results = json.loads((out / 'results.json').read_text())
    assert [Path(result['file_name']).name for result in results] == [
        'a.jpg',
        'a.png',
        'long.jpg',
        'row.png',
    ]
    sizes = {path.name: Image.open(path).size for path in (out / 'overlays').iterdir()}
    assert sizes == {
        'a.jpg.jpg': (448, 336),
        'a.png.png': (336, 448),
        'long.jpg': (12000, 50),
        'row.png': (5000, 1),
    }
    printed = capfd.readouterr().out
    assert 'Other files are left out: 1 .txt' in printed and '4 of 4 images predicted' in printed


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_a_work_dir_is_enough(task, trained, script, here, capsys):
    script('predict').main([str(trained(task)), f'{SCENES}/{NAMES[0]}.png', '--out', 'out'])
    printed = capsys.readouterr().out
    assert f'{LAST[task]} is used' in printed and '1 of 1 images predicted' in printed
    assert (here / f'out/overlays/{NAMES[0]}.png').is_file()


def test_several_formats_at_once(predict):
    out = predict('detection', SCENES, option=['--format', 'yolo', 'labelme', 'csv'])
    assert sorted(path.name for path in out.iterdir()) == [
        'data.yaml',
        'labelme',
        'labels',
        'overlays',
        'results.csv',
    ]
    assert len((out / 'results.csv').read_text().splitlines()) == 1 + len(NAMES)


def test_a_format_of_another_task(trained, fails, here):
    work_dir = trained('segmentation')
    sentence = fails('predict', work_dir, SCENES, '--out', 'out', '--format', 'coco')
    assert sentence == 'The formats of this task are png, csv, not coco.'


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_tiles_of_a_large_image(task, predict, here):
    """Four scenes as one image: each tile is another size than the whole, which they cover."""
    scenes = [np.asarray(Image.open(f'{SCENES}/{name}.png')) for name in NAMES]
    large = np.concatenate([np.concatenate(scenes[:2], 1), np.concatenate(scenes[2:], 1)])
    Image.fromarray(large).save('large.png')
    out = predict(task, 'large.png', option=['--tile', '64', '--batch-size', '4'])
    if task == 'segmentation':
        assert Image.open(out / 'masks/large.png').size == (128, 128)
        return
    result = json.loads((out / 'results.json').read_text())
    assert result['annotations']
    for annotation in result['annotations']:
        x, y, width, height = annotation['bbox']
        assert min(x, y, width, height) >= 0 and max(x + width, y + height) <= 128
        assert annotation['segmentation']['size'] == [128, 128]
