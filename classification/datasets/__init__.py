"""Datasets of labelled images and their transforms; importing this registers them."""

from .archive import ImageArchive
from .folder import ImageFolder
from .list import ImageList
from .transforms import ReadImage, TimmTransform

__all__ = ['ImageArchive', 'ImageFolder', 'ImageList', 'ReadImage', 'TimmTransform']
