"""Experiments of many runs: the study, the ablation, the comparison, the demo; their reports.

They run the tools of the clone that this package is in, one process each.
"""
