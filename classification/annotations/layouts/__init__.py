"""One reader for each layout of annotated images, and what they share."""
