"""What models find in images, as numpy arrays that can be drawn and written.

This package needs numpy and Pillow alone, so that a model without PyTorch can give the same.
"""

from .class_map import ClassMap
from .instances import Instances, Mask
from .result import Result
from .scores import Scores

__all__ = ['ClassMap', 'Instances', 'Mask', 'Result', 'Scores']
