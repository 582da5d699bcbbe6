"""The rows of the study's two tables, each a timm model: `timm.create_model('study_rope')`.

Every size and switch of LinearSwin stays free: `create_model('study_rope', embed_dim=32, ...)`.
"""

from typing import Any

from timm.models import generate_default_cfgs, register_model
from torch import nn

from .linear_swin import LinearSwin
from .staged import create as create_staged
from .staged import default_cfg

# The switches of each row. What the paper printed for it: configs/study/metafile.yml.
ROWS: dict[str, dict[str, Any]] = {
    'baseline': {},
    'input_gate': dict(input_gate=True),
    'forget_gate': dict(forget_gate=True, scan=('row',)),
    'shortcut': dict(shortcut=True),
    'no_normalisation': dict(normalise=False),
    'single_head': dict(single_head=True),
    'block_all': dict(block='gated'),
    'block_attention': dict(block='gated+mlp'),
    'ape': dict(pos=('ape',)),
    'lepe': dict(pos=('lepe',)),
    'cpe': dict(pos=('cpe',)),
    'rope': dict(pos=('rope',)),
    # All six designs: Mamba's block in this layout.
    'mamba': dict(
        input_gate=True,
        forget_gate=True,
        shortcut=True,
        normalise=False,
        single_head=True,
        block='gated',
        scan=('row',),
    ),
    # Not rows of the paper: tokens read only those before them, which asks MambaOut's question,
    # whether understanding an image needs more. Order alone also tells positions, so that the
    # second row has CPE as well.
    'causal': dict(scan=('row',)),
    'cpe_causal': dict(pos=('cpe',), scan=('row',)),
    # The winners, and what stands in for the forget gate: MILA's block in this layout.
    'winners': dict(block='gated+mlp', pos=('lepe', 'cpe', 'rope')),
}

default_cfgs = generate_default_cfgs(
    {f'study_{row}': default_cfg(first_conv='patch_embed.proj', classifier='head') for row in ROWS}
)


def _register(row: str) -> None:
    def create(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        switches = {**ROWS[row], **kwargs}
        return create_staged(LinearSwin, f'study_{row}', pretrained, **switches)

    create.__name__ = f'study_{row}'
    create.__doc__ = f'LinearSwin with {ROWS[row] or "no switch on: the baseline"}.'
    register_model(create)


for _row in ROWS:
    _register(_row)
