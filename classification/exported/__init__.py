"""Exported models: images predicted by ONNX Runtime, without PyTorch.

    from classification.exported import load

    model = load('photos.onnx')
    model('a.jpg').draw().save('drawn.png')

This package and what it imports need numpy, Pillow and onnxruntime alone.
"""

from .model import ExportedModel, load

__all__ = ['ExportedModel', 'load']
