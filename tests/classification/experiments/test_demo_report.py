"""The demo's table, curves and pictures, from small folders of results."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from classification.datasets.digits import PALETTE, SEG_PALETTE
from classification.experiments import demo_report


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved."""
    figures = []
    monkeypatch.setattr(demo_report, 'save', lambda figure, *args, **kwargs: figures.append(figure))
    return figures


def pictures(figure, columns):
    """The arrays that the figure shows, in rows of `columns`."""
    arrays = [np.asarray(ax.images[0].get_array()) for ax in figure.axes]
    return [arrays[i : i + columns] for i in range(0, len(arrays), columns)]


def test_table():
    rows = [
        ('classification', 'top-1', None, 95.75, 6.71),
        ('detection', 'box AP', 43.5, 61.3, 5.4),
    ]
    header, _, *lines = demo_report.table(rows).splitlines()
    assert header == '| task | metric | from scratch | from the classifier | minutes per run |'
    assert lines[0] == '| classification | top-1 |  | 95.8 | 6.7 |'
    assert lines[1] == '| detection | box AP | 43.5 | 61.3 | 5.4 |'


def test_curves(tmp_path, drawn):
    folder = tmp_path / 'run' / '1' / 'vis_data'
    folder.mkdir(parents=True)
    logged = [dict(loss=2.5, step=10), dict(loss=1.5, step=20), dict(mIoU=40.0, step=1)]
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, logged)))
    panels = {'UperNet': ('mIoU', 'mIoU (%)', {'scratch': tmp_path / 'run'})}
    demo_report.curves(tmp_path / 'curves.png', panels)
    loss, score = drawn[0].axes
    assert [list(map(list, line.get_data())) for line in loss.lines] == [[[10, 20], [2.5, 1.5]]]
    assert [list(map(list, line.get_data())) for line in score.lines] == [[[1], [40.0]]]
    assert (loss.get_title(), score.get_ylabel()) == ('UperNet', 'mIoU (%)')


def test_detection_pictures(tmp_path, drawn):
    """Masks in the colour of their digit, those below the score left out."""
    file = tmp_path / 'scene.png'
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(file)
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, :4], masks[1, 4:] = 1, 1

    def annotations(*scores):
        return [
            dict(
                id=i + 1,
                image_id=1,
                category_id=i + 3,
                bbox=[0, 4 * i, 8, 4],
                segmentation=dict(size=[8, 8], counts=encode(masks[i])),
                **({} if score is None else dict(score=score)),
            )
            for i, score in enumerate(scores)
        ]

    def encode(mask):
        return coco_mask.encode(np.asfortranarray(mask))['counts'].decode()

    categories = [dict(id=i + 1, name=str(i)) for i in range(10)]
    for name, found, scores in (
        ('truth', 'scene.png', (None,) * 2),
        ('run', str(file), (0.9, 0.3)),
    ):
        content = dict(
            images=[dict(id=1, file_name=found, height=8, width=8)],
            annotations=annotations(*scores),
            categories=categories,
        )
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    demo_report.detection_pictures(
        tmp_path / 'out.png', tmp_path / 'truth.json', {'run': tmp_path / 'run.json'}
    )
    ((image, truth, run),) = pictures(drawn[0], 3)
    assert np.allclose(image, 200 / 255)
    colours = np.array(PALETTE) / 255
    assert np.allclose(truth[:4], colours[2]) and np.allclose(truth[4:], colours[3])
    assert np.allclose(run[:4], colours[2]) and np.allclose(run[4:], 100 / 255)
    assert [text.get_text() for text in drawn[0].axes[2].texts] == ['2 0.90']


def test_segmentation_pictures(tmp_path, drawn):
    """The truth's maps count from 1, the predicted ones from 0; their colours are the same."""
    truth = np.array([[1, 2], [3, 11]], np.uint8)
    for folder, array in (
        ('data/images/validation', np.zeros((2, 2, 3), np.uint8)),
        ('data/annotations/validation', truth),
        ('run', truth - 1),
    ):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(array).save(tmp_path / folder / 'a.png')
    demo_report.segmentation_pictures(
        tmp_path / 'out.png', tmp_path / 'data', {'run': tmp_path / 'run'}
    )
    ((_, shown, run),) = pictures(drawn[0], 3)
    expected = np.array(SEG_PALETTE)[truth.astype(int) - 1]
    assert (shown == expected).all() and (run == expected).all()


def test_classification_pictures_have_wrong_classes_in_red(tmp_path, drawn):
    results = []
    for folder, best in (('3_three', '3_three'), ('4_four', '9_nine')):
        file = tmp_path / folder / 'a.png'
        file.parent.mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file)
        results.append(dict(file_name=str(file), best=[{'class': best, 'score': 0.75}]))
    (tmp_path / 'results.json').write_text(json.dumps(results))
    demo_report.classification_pictures(tmp_path / 'out.png', tmp_path / 'results.json')
    titles = [(ax.get_title(), ax.title.get_color()) for ax in drawn[0].axes[:2]]
    assert titles == [('three 0.75', 'black'), ('nine 0.75', 'red')]
