"""Two-stage detectors of mmdet as one traceable network: no loops over images, no hidden sizes."""
