"""How far the results of an exported model may be from those of the model itself.

Rounding differs between libraries, so that equal models give results that differ by about 1e-6.
What is allowed is far more than that, and far less than what anyone would see.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..engine.errors import one_line
from ..exported.outputs import to_results
from ..results import ClassMap, Instances, Result, Scores
from ..visualization.drawing import Colour

RELATIVE = 1e-4  # of the largest value of scores, logits or maps
SCORE = 1e-3  # of an object
MASK_IOU = 0.999
# Of two proposals that overlap and have equal scores, NMS keeps either, as rounding decides: then
# an object comes from the other one, with a box and a score that are a little different.
TIE_IOU = 0.5
TIES = 0.01  # of the objects; trained detectors hardly have any
BOX_IOU = 0.99  # rounding moves a box by far less; a box beyond it is another one


class Unequal(Exception):
    """The exported model gives something else; the message is the end of a sentence."""


def run_or_differ(
    session: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]],
    inputs: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """What an exported model gives.

    Raises:
        Unequal: it fails, as one does whose sizes are fixed without saying so.
    """
    try:
        return session(inputs)
    except Exception as error:  # each runtime has its own
        shape = 'x'.join(map(str, next(iter(inputs.values())).shape))
        raise Unequal(f'it fails for an input of {shape} ({one_line(error, 200)})') from error


def results_or_differ(
    task: str,
    outputs: Mapping[str, np.ndarray],
    pictures: Sequence[np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Colour],
) -> list[Result]:
    """Outputs as results; arguments as of `to_results`.

    Raises:
        Unequal: they are not what the task promises.
    """
    try:
        return to_results(task, outputs, pictures, classes, palette)
    except ValueError as error:
        raise Unequal(f'it {error}') from None


@dataclass
class Differences:
    """The largest differences seen.

    Attributes:
        largest: what was compared -> its largest difference.
        images: how many images were compared.
        objects: how many objects were compared.
        fullest: the most objects of an image.
        ties: objects that come from another proposal, for which rounding decided.
    """

    largest: dict[str, float] = field(default_factory=dict)
    images: int = 0
    objects: int = 0
    fullest: int = 0
    ties: int = 0

    def see(self, what: str, difference: float, allowed: float) -> None:
        """Note a difference.

        Raises:
            Unequal: it is larger than allowed.
        """
        self.largest[what] = max(difference, self.largest.get(what, 0.0))
        if not difference <= allowed:  # NaN is not equal to anything
            raise Unequal(f'{what} differ by {difference:.2g}, and {allowed:g} is allowed')

    def conclude(self) -> 'Differences':
        """These differences, after the last.

        Raises:
            Unequal: too many objects come from other proposals.
        """
        if self.ties > TIES * self.objects:
            raise Unequal(f'{self.ties} of {self.objects} objects come from other proposals')
        return self

    def compare_values(self, what: str, expected: np.ndarray, actual: np.ndarray) -> None:
        """Compare arrays, relative to the largest expected value.

        Raises:
            Unequal: they differ by more than `RELATIVE`, or in their shapes.
        """
        if expected.shape != actual.shape:
            raise Unequal(f'{what} have the shape {actual.shape}, not {expected.shape}')
        scale = float(np.abs(expected).max(initial=1e-12))
        self.see(what, float(np.abs(expected - actual).max(initial=0.0)) / scale, RELATIVE)

    def compare(
        self,
        expected: Result,
        actual: Result,
        margin: np.ndarray | None = None,
        threshold: float | None = None,
        most: int | None = None,
    ) -> None:
        """Compare the results of an image.

        Args:
            margin: of a map of classes, (H, W), by how much the best class is better than the
                next, relative to the largest logit.
            threshold: of objects, the score below which they are left out.
            most: number of objects that an image has at most, those with the best scores.

        Raises:
            Unequal: they differ by more than is allowed.
        """
        self.images += 1
        if isinstance(expected, Scores) and isinstance(actual, Scores):
            self.compare_values('scores', expected.scores, actual.scores)
        elif isinstance(expected, ClassMap) and isinstance(actual, ClassMap):
            self._compare_maps(expected.map, actual.map, margin)
        elif isinstance(expected, Instances) and isinstance(actual, Instances):
            self._compare_objects(expected, actual, _borders(expected, threshold, most))
        else:
            raise Unequal(f'results are {type(actual).__name__}, not {type(expected).__name__}')

    def _compare_maps(
        self, expected: np.ndarray, actual: np.ndarray, margin: np.ndarray | None
    ) -> None:
        if expected.shape != actual.shape:
            raise Unequal(f'maps have the shape {actual.shape}, not {expected.shape}')
        other = expected != actual
        self.see('share of pixels of another class', float(other.mean()), 1.0)
        if margin is not None and other.any():
            # Both logits may be off by what is allowed.
            self.see('logits of pixels of another class', float(margin[other].max()), 2 * RELATIVE)

    def _compare_objects(
        self, expected: Instances, actual: Instances, borders: Sequence[float]
    ) -> None:
        self.objects += len(expected)
        self.fullest = max(self.fullest, len(expected))
        left = list(range(len(actual)))
        for index in range(len(expected)):
            match = _find(expected, index, actual, left, SCORE, BOX_IOU)
            if match is not None:
                left.remove(match)
                self._compare_object(expected, index, actual, match)
                continue
            tie = _find(expected, index, actual, left, SCORE, TIE_IOU)
            if tie is None:
                _refuse(expected, index, borders, 'lacks')
            else:
                left.remove(tie)
                self.ties += 1
        for index in left:
            _refuse(actual, index, borders, 'adds')

    def _compare_object(
        self, expected: Instances, index: int, actual: Instances, match: int
    ) -> None:
        scores = _score(expected, index), _score(actual, match)
        self.see('scores', abs(scores[0] - scores[1]), SCORE)
        boxes = expected.boxes[index], actual.boxes[match]
        self.see('boxes, pixels', float(np.abs(boxes[0] - boxes[1]).max()), np.inf)
        if expected.cut_masks is None or actual.cut_masks is None:
            if expected.cut_masks is not actual.cut_masks:
                raise Unequal('only one of the models gives masks')
            return
        size = expected.image.shape[:2]
        masks = expected.cut_masks[index].whole(size), actual.cut_masks[match].whole(size)
        union = (masks[0] | masks[1]).sum()
        overlap = float((masks[0] & masks[1]).sum() / union) if union else 1.0
        # One pixel may always differ: at a probability of 0.5 rounding decides, and of a mask with
        # less than a thousand pixels one is more than MASK_IOU allows.
        one = (masks[0] ^ masks[1]).sum() == 1
        self.see('masks, 1 - IoU', 1 - overlap, 1.0 if one else 1 - MASK_IOU)


def _borders(expected: Instances, threshold: float | None, most: int | None) -> list[float]:
    """The scores that decide which objects are left out."""
    borders = [] if threshold is None else [threshold]
    if most is not None and len(expected) >= most:
        borders.append(min(_score(expected, index) for index in range(len(expected))))
    return borders


def _find(
    expected: Instances,
    index: int,
    actual: Instances,
    left: Sequence[int],
    score: float,
    iou: float,
) -> int | None:
    """The object among those left with the class, nearly the score, and at least the IoU."""
    found, best = None, iou
    for candidate in left:
        same = expected.labels[index] == actual.labels[candidate]
        near = abs(_score(expected, index) - _score(actual, candidate)) <= score
        if same and near:
            overlap = _iou(expected.boxes[index], actual.boxes[candidate])
            if overlap >= best:
                found, best = candidate, overlap
    return found


def _score(objects: Instances, index: int) -> float:
    assert objects.scores is not None  # models give them
    return float(objects.scores[index])


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    inside = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - inside
    # A box without an area equals itself.
    return inside / union if union > 0 else float(np.allclose(a, b, atol=1e-3))


def _refuse(objects: Instances, index: int, borders: Sequence[float], verb: str) -> None:
    """Raise Unequal, unless the score is so near a border that rounding decides."""
    score = _score(objects, index)
    if not any(abs(score - border) <= SCORE for border in borders):
        name = objects.names[int(objects.labels[index])]
        raise Unequal(f'it {verb} a {name} with the score {score:.4f}')
