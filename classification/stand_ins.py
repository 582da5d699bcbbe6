"""Importing this gives mmcv and MMEngine what their last releases ask for and no longer find.

Three things, each only where it is missing, so that a compiled mmcv and an older Python or
setuptools are used as they are: the module `mmcv._ext`, which mmcv-lite lacks (by a finder at the
end of `sys.meta_path`); `pkgutil.find_loader`, which Python 3.14 has dropped; and, in MMEngine, the
two functions that look up an installed package by `pkg_resources`, which setuptools has dropped.
"""

import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import mmengine

_OPERATORS = Path(__file__).parent / 'mmcv_ops' / 'ext.py'


class OperatorFinder(MetaPathFinder):
    """Finds `mmcv._ext` in this package where nobody else has it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """How to load the operators, or None for another module."""
        if name != 'mmcv._ext':
            return None
        return importlib.util.spec_from_file_location(name, _OPERATORS)


def has_compiled_operators() -> bool:
    """Whether the operators are those of a compiled mmcv."""
    spec = importlib.util.find_spec('mmcv._ext')
    return spec is not None and spec.origin != str(_OPERATORS)


def find_loader(fullname: str) -> Loader | None:
    """What `pkgutil.find_loader` was until Python 3.13."""
    spec = importlib.util.find_spec(fullname)
    return spec.loader if spec else None


def is_installed(package: str) -> bool:
    """Whether there is a distribution or a package of this name, as MMEngine asks."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """The folder of a package, by the name of its distribution or its own.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    module = package
    try:
        top_level = metadata.distribution(package).read_text('top_level.txt')
    except metadata.PackageNotFoundError:
        pass
    else:
        module = top_level.split()[0] if top_level else package
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise metadata.PackageNotFoundError(package)
    return str(Path(spec.origin).parent)


sys.meta_path.append(OperatorFinder())
if not hasattr(pkgutil, 'find_loader'):
    pkgutil.find_loader = find_loader
if importlib.util.find_spec('pkg_resources') is None:
    for _module in (mmengine.utils.package_utils, mmengine.utils, mmengine.config.config):
        _module.is_installed = is_installed
        _module.get_installed_path = get_installed_path
