"""mmsegmentation's runtime, with this repository's backbones and hooks registered."""

_base_ = 'mmseg::_base_/default_runtime.py'

custom_imports = dict(imports=['segmentation'], allow_failed_imports=False)
