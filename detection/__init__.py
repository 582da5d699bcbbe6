"""MILA in MMDetection: importing this registers `MILA`, the task, and everything that mmdet has."""

from mmdet.utils import register_all_modules

import classification  # noqa: F401
from classification.engine.task import register_task

from .task import Detection

# The scope of a run is the config's to choose: `default_scope = 'mmdet'`.
register_all_modules(init_default_scope=False)
register_task('mmdet', Detection())
