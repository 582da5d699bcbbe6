"""timm models by name."""

import difflib

import timm


def create_model(name, **kwargs):
    """timm.create_model.

    Raises:
        ValueError: timm has no such model; names the nearest ones.
    """
    # A hub reference ('hf-hub:owner/model') is looked up by timm itself.
    if ':' not in name and not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(f'timm has no model {name!r}; near it: {", ".join(near) or "none"}.')
    return timm.create_model(name, **kwargs)
