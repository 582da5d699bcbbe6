"""Random scenes with boxes, masks, crowds and imperfect detections, in COCO's formats."""

import numpy as np
from pycocotools import mask as coco_mask

IDS = [7, 3, 5]  # of the classes, in the model's order


def scenes(seed=0, images=12):
    """(annotation file, detections): shifted truths, and some that are false."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for image_id in range(1, images + 1):
        for _ in range(rng.integers(0, 6)):
            box = [*rng.integers(0, 90, 2), *rng.integers(8, 110, 2)]
            one = annotation(image_id, int(rng.choice(IDS)), box)
            truths.append(dict(one, id=len(truths) + 1, iscrowd=int(rng.random() < 0.15)))
            for _ in range(rng.integers(0, 3)):
                moved = [max(1, int(side + rng.normal(0, 3))) for side in box]
                label = int(rng.choice(IDS)) if rng.random() < 0.2 else one['category_id']
                found.append(dict(annotation(image_id, label, moved), score=float(rng.random())))
        noise = annotation(image_id, int(rng.choice(IDS)), [*rng.integers(0, 90, 2), 30, 30])
        found.append(dict(noise, score=float(rng.random())))
    infos = [dict(id=i, width=200, height=200) for i in range(1, images + 2)]  # one without all
    categories = [dict(id=i, name=f'class {i}') for i in IDS]
    return dict(images=infos, categories=categories, annotations=truths), found


def annotation(image_id, label, box):
    x, y, w, h = map(int, box)
    mask = np.zeros((200, 200), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return dict(
        image_id=image_id,
        category_id=label,
        bbox=[x, y, w, h],
        segmentation=coco_mask.encode(np.asfortranarray(mask)),
        area=float(mask.sum()),
    )
