"""Where the project's own files are."""

from pathlib import Path

_HERE = Path(__file__).resolve().parents[3]
# The folder that holds configs/: the clone's, or of an installed package the one beside it.
PROJECT = _HERE if (_HERE / 'configs/_base_').is_dir() else _HERE / 'mila_toolkit'
