"""Segmentors of mmseg as one traceable network."""
