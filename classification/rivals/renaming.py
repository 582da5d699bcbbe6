"""The names of released files, brought to those of the models here."""

import re

from torch import Tensor


def rename_(state_dict: dict[str, Tensor], prefix: str, rules: dict[str, str]) -> None:
    """Apply each rule to every name under `prefix`, in place.

    Args:
        state_dict: name -> weights.
        prefix: of the model's names, which the rules do not see.
        rules: pattern -> replacement, as for re.sub, applied one after the other.
    """
    for name in [n for n in state_dict if n.startswith(prefix)]:
        own = name[len(prefix) :]
        for pattern, replacement in rules.items():
            own = re.sub(pattern, replacement, own)
        value = state_dict.pop(name)
        # Of two entries that come to one name the second keeps its own, which no model has.
        state_dict[name if prefix + own in state_dict else prefix + own] = value


def stage_rules(stages: int) -> dict[str, str]:
    """Rules for files whose stages are `patch_embed1`, `block1`, `norm1`, `patch_embed2`, ...

    Their `patch_embed2` is the step down behind the first stage, `dwconv.dwconv` a convolution.
    """
    rules = {r'^patch_embed1\.': 'patch_embed.', r'\.dwconv\.dwconv\.': '.dwconv.'}
    for i in range(stages):
        rules[rf'^patch_embed{i + 2}\.'] = f'layers.{i}.downsample.'
        rules[rf'^block{i + 1}\.'] = f'layers.{i}.blocks.'
        rules[rf'^norm{i + 1}\.'] = f'layers.{i}.norm.'
    return rules
