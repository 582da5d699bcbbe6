"""Operators below the models, each fast form beside its reference `naive_...`."""
