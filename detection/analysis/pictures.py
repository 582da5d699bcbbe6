"""A report's pictures: the worst, the best and the most confused images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classification.visualization.page import Html, beside, colour_key, heading, paragraph, picture
from classification.visualization.page_style import BLUE, ORANGE, VERMILLION

from .coco import CocoScores
from .images import ImageOutcome, judge_image
from .marking import draw_errors

_WORST, _BEST, _CONFUSED = 10, 4, 6

# Id of an image -> what reads it, (H, W, 3) uint8, RGB.
Pictures = Mapping[Any, Callable[[], np.ndarray]]


class ImagePictures:
    """Images with their errors.

    Args:
        scores: of boxes.
        score_thr: what is less sure is left out.
        truth, found: what was evaluated, in COCO's formats.
        classes: their names.
        pictures: only these images are drawn.
    """

    def __init__(
        self,
        scores: CocoScores,
        score_thr: float,
        truth: Mapping[str, Any],
        found: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        pictures: Pictures,
    ):
        self.score_thr, self.truth, self.found = score_thr, truth, found
        self.classes, self.pictures = classes, pictures
        self.crowds = crowds_by_image(truth)
        self.files = {
            one['id']: Path(str(one.get('file_name', one['id']))).name for one in truth['images']
        }
        self.outcomes = {
            image_id: judge_image(image, score_thr)
            for image_id, image in scores.images.items()
            if image_id in pictures
        }

    def worst_and_best(self) -> list[Html]:
        """Sorted by F1 and then by the number of mistakes."""
        outcomes = self.outcomes
        order = sorted(outcomes, key=lambda i: (outcomes[i].quality, -outcomes[i].mistakes))
        worst = [i for i in order if outcomes[i].mistakes][:_WORST]
        # Of images without mistakes those with the most objects say most.
        best = sorted(order, key=lambda i: (-outcomes[i].quality, -len(outcomes[i].lost)))
        best = [i for i in best if i not in worst and outcomes[i].quality][:_BEST]
        found_any = any(outcome.kinds for outcome in outcomes.values())
        content = [
            paragraph(
                f'Left the truth, right the detections with a score of at least '
                f'{self.score_thr:g}. Images are sorted by F1 (twice the right detections, over '
                'detections and objects).',
                note=True,
            ),
            *([] if found_any else [paragraph('No detection has that score.')]),
            colour_key(
                [
                    (BLUE, 'right'),
                    (VERMILLION, 'false detection, with its kind'),
                    (ORANGE, 'object not found'),
                ]
            ),
        ]
        for title, chosen in (('Worst', worst), ('Best', best)):
            if chosen:
                content += [heading(title), beside(map(self._draw, chosen), 'pictures')]
        return content

    def most_confused(self) -> list[Html]:
        """The images with the most detections of a wrong class on an object."""
        confused = {i: one.kinds.count('class') for i, one in self.outcomes.items()}
        order = sorted(confused, key=lambda i: -confused[i])
        chosen = [i for i in order if confused[i]][:_CONFUSED]
        if not chosen:
            return [paragraph('No object was taken for one of another class.')]
        text = 'The images with the most detections that lie on an object of another class.'
        return [paragraph(text, note=True), beside(map(self._draw, chosen), 'pictures')]

    def _draw(self, image_id: Any) -> Html:
        outcome = self.outcomes[image_id]
        drawn = draw_errors(
            self.pictures[image_id](),
            outcome,
            self.truth.get('annotations', []),
            self.found,
            self.classes,
            self.crowds.get(image_id, []),
        )
        return picture(drawn, f'{self.files.get(image_id, image_id)}: {caption(outcome)}', side=900)


def caption(outcome: ImageOutcome) -> str:
    """An image's quality, in words."""
    objects, mistakes = len(outcome.lost), outcome.mistakes
    return f'F1 {outcome.quality:.2f}, objects: {objects}, mistakes: {mistakes}'


def crowds_by_image(truth: Mapping[str, Any]) -> dict[Any, list[Any]]:
    """Id of an image -> its crowds, of an annotation file in COCO's format."""
    crowds: dict[Any, list[Any]] = {}
    for one in truth.get('annotations', []):
        if one.get('iscrowd'):
            crowds.setdefault(one['image_id'], []).append(one)
    return crowds
