"""Annotated images described: counts, text for a terminal, and a page with samples."""
