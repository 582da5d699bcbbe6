"""The model zoo: the metafiles of configs/, read, downloaded from, printed as tables and pages."""

from .metafiles import (
    TOP1,
    Collection,
    Counts,
    Listed,
    Model,
    Release,
    Result,
    ZooError,
    listed,
    models,
    published_top1,
    released,
)

__all__ = [
    'TOP1',
    'Collection',
    'Counts',
    'Listed',
    'Model',
    'Release',
    'Result',
    'ZooError',
    'listed',
    'models',
    'published_top1',
    'released',
]
