"""MILA in MMSegmentation: importing this registers `MILA`, the task, and all that mmseg has."""

import classification  # noqa: F401  first, because it lets mmcv find its operators

# isort: split
from mmseg.utils import register_all_modules

from classification.engine.task import register_task

from . import transforms  # noqa: F401  registered in place of mmcv's
from .task import Segmentation

# The scope of a run is the config's to choose: `default_scope = 'mmseg'`.
register_all_modules(init_default_scope=False)
register_task('mmseg', Segmentation())
