"""mmdet's runtime, with this repository's backbones and hooks registered."""

_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['detection'], allow_failed_imports=False)
