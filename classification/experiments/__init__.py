"""Experiments of many runs: grids of trainings, the study, the ablation, the demo; their reports.

They run the tools of the clone that this package is in, one process each.
"""
