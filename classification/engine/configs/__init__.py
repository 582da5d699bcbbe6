"""Configs: read, their heads and datasets found, and checked against the data before a run."""
