"""The colours of right and wrong."""

import numpy as np
from PIL import ImageColor

from classification.visualization.page_style import BLUE, ORANGE, VERMILLION
from detection.analysis.coco import evaluate_coco
from detection.analysis.images import judge_image
from detection.analysis.marking import draw_errors
from tests.scenes import IDS, annotation


def test_right_wrong_and_lost_have_their_colours():
    boxes = [(7, [20, 20, 60, 60]), (3, [120, 120, 60, 60])]
    truths = [dict(annotation(1, *box), id=i, iscrowd=0) for i, box in enumerate(boxes, 1)]
    found = [dict(annotation(1, *boxes[0]), score=0.9)]
    found.append(dict(annotation(1, 5, [20, 120, 60, 60]), score=0.8))
    truth = dict(
        images=[dict(id=1, width=200, height=200)],
        categories=[dict(id=i, name=f'class {i}') for i in IDS],
        annotations=truths,
    )
    outcome = judge_image(evaluate_coco(truth, found, IDS, 'bbox').images[1], 0.3)
    image = np.full((200, 200, 3), 255, np.uint8)
    drawn = np.asarray(draw_errors(image, outcome, truths, found, ['a', 'b', 'c']))
    k = drawn.shape[0] // 200

    def border(x, y):
        return tuple(drawn[(y + 30) * k, x * k].tolist())

    assert border(20, 20) == border(220, 20) == ImageColor.getrgb(BLUE)
    assert border(120, 120) == ImageColor.getrgb(ORANGE)
    assert border(220, 120) == ImageColor.getrgb(VERMILLION)
    assert drawn.shape == (200 * k, 400 * k, 3)
