"""Annotated images in any layout that people have: recognised, read in place, checked, split."""
