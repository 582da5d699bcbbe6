"""The model zoo: the metafiles of configs/ read (`metafiles`), downloaded from (`download`) and
printed
as tables (`tables`).
"""

from .metafiles import (
    Collection,
    Counts,
    Model,
    Release,
    Result,
    ZooError,
    models,
    published_top1,
    released,
)

__all__ = [
    'Collection',
    'Counts',
    'Model',
    'Release',
    'Result',
    'ZooError',
    'models',
    'published_top1',
    'released',
]
