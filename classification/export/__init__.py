"""Trained models as files that run without PyTorch: ONNX, OpenVINO, or PyTorch's own programs.

A task describes its models as `Exportable`; `model` makes the file, `equality` shows that it gives
what the model gives. `classification.exported` runs such a file.
"""
