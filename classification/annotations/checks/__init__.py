"""Checks of annotated images that are read, whatever their layout."""
