"""Results of many images in files for programs, without PyTorch.

Each format is a `results.writer.ResultsWriter`.
"""

from collections.abc import Mapping

from ..results.writer import ResultsWriter
from .best_classes import BestClasses
from .coco import CocoResults
from .maps import PaletteMaps
from .polygons import LabelmeFiles, YoloFiles
from .tables import BestClass, Counts, Pixels

# Task -> name of a format, as --format takes it -> its writer; the first is the task's default.
FORMATS: Mapping[str, Mapping[str, type[ResultsWriter]]] = {
    'classification': {'json': BestClasses, 'csv': BestClass},
    'detection': {
        'coco': CocoResults,
        'yolo': YoloFiles,
        'labelme': LabelmeFiles,
        'csv': Counts,
    },
    'segmentation': {'png': PaletteMaps, 'csv': Pixels},
}
