"""MILA in MMSegmentation: importing this registers `MILA` and everything that mmseg has."""

import classification  # noqa: F401  first, because it lets mmcv find its operators

# isort: split
from mmseg.utils import register_all_modules

# The scope of a run is the config's to choose: `default_scope = 'mmseg'`.
register_all_modules(init_default_scope=False)
