"""Whether a detector's scores are shares of right boxes."""

from classification.analysis.calibration import Calibration

from .coco import CocoScores


def calibrate(scores: CocoScores) -> Calibration:
    """Of all detections, of which those are right that found an object at IoU 0.50.

    Those that are neither right nor wrong, such as on a crowd, are left out.
    """
    made = Calibration()
    for image in scores.images.values():
        judged = ~image.ignored
        made.add(image.scores[judged], image.match[judged] >= 0)
    return made
