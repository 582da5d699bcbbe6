"""What can be wrong with annotated images, how to cure it, and what it means for a training."""
