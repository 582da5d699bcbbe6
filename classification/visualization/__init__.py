"""Pictures: what is drawn over images, and curves of a training."""
