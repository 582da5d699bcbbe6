"""The released VMamba files: older ones name and shape some weights otherwise."""

import re

from torch import Tensor


def rename_keys_(state_dict: dict[str, Tensor], prefix: str = '') -> None:
    """Bring a released file's entries under `prefix` to VMamba's names and shapes, in place.

    Older files have `x_proj_weight` (orders, out, in), `norm.` and `head.` at the top level, and
    some files store linear layers as 1x1 convolutions.
    """
    for name in [n for n in state_dict if n.startswith(prefix)]:
        value = state_dict.pop(name)
        own = name[len(prefix) :]
        if own.startswith(('norm.', 'head.')):
            own = f'classifier.{own}'
        elif own.endswith(('.x_proj_weight', '.dt_projs_weight')):
            own = f'{own.removesuffix("_weight")}.weight'
            value = value.flatten(0, 1)
        elif re.search(r'(_proj|_projs|\.fc\d)\.weight$', own) and value.shape[2:].numel() == 1:
            value = value.flatten(1)
        # Of two entries that come to one name the second keeps its own, which no model has.
        state_dict[name if prefix + own in state_dict else prefix + own] = value
