"""A report of a training: how it went, and why its metrics are what they are."""
