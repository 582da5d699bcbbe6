"""timm models by name."""

import difflib
from typing import Any

import timm

# An nn.Module with timm's interface (num_classes, default_cfg, reset_classifier, ...), which no
# class of timm's declares.
TimmModule = Any


def create_model(name: str, **kwargs: Any) -> TimmModule:
    """timm.create_model.

    Raises:
        ValueError: timm has no such model; names the nearest ones.
    """
    # A hub reference ('hf-hub:owner/model') is looked up by timm itself.
    if ':' not in name and not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(f'timm has no model {name!r}; near it: {", ".join(near) or "none"}.')
    return timm.create_model(name, **kwargs)


# timm builds these for images of one size, unless told otherwise.
_ANY_SIZE = {
    'swin_': dict(strict_img_size=False),
    'deit': dict(dynamic_img_size=True),
    'vit_': dict(dynamic_img_size=True),
}


def any_size(name: str) -> dict[str, bool]:
    """Arguments of `create_model` with which a model takes images of any size."""
    found = [kwargs for prefix, kwargs in _ANY_SIZE.items() if name.startswith(prefix)]
    return found[0] if found else {}
