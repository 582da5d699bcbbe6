"""From annotated images of one's own to a trained model: choices, config, training, report."""
