"""Packages that only some of what is predicted or written needs."""

import importlib
from typing import Any

from .errors import UsageError, one_line


def need(module: str, package: str, purpose: str) -> Any:
    """A module, loaded.

    Args:
        module: its name.
        package: what installs it.
        purpose: what needs it, as the beginning of a sentence.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f'{purpose} needs {package}, which cannot be loaded ({one_line(error)}): '
            f'pip install {package}.'
        ) from None
