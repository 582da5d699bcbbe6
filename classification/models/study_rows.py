"""The rows of the study's two tables, each a timm model: `timm.create_model('study_rope')`.

Every size and switch of LinearSwin stays free: `create_model('study_rope', embed_dim=32, ...)`.
"""

from typing import Any, NamedTuple

from timm.models import generate_default_cfgs, register_model

from .linear_swin import LinearSwin
from .staged import create as create_staged
from .staged import default_cfg


class Row(NamedTuple):
    """What a row switches, and what the paper printed for it (ImageNet, 224; None: no such row)."""

    switches: dict[str, Any]
    params: int | None = None  # M
    flops: float | None = None  # G, a multiply-add counted once
    throughput: int | None = None  # images/s on the paper's GPU
    top1: float | None = None  # %


ROWS: dict[str, Row] = {
    'baseline': Row({}, 28, 4.5, 1152, 77.6),
    'input_gate': Row(dict(input_gate=True), 29, 4.5, 1069, 77.8),
    'forget_gate': Row(dict(forget_gate=True, scan=('row',)), 29, 4.8, 743, 78.4),
    'shortcut': Row(dict(shortcut=True), 28, 4.5, 1066, 77.8),
    'no_normalisation': Row(dict(normalise=False), 28, 4.5, 1215, 72.4),
    'single_head': Row(dict(single_head=True), 24, 3.9, 1540, 73.5),
    'block_all': Row(dict(block='gated'), 28, 4.7, 915, 79.4),
    'block_attention': Row(dict(block='gated+mlp'), 31, 4.8, 1010, 80.9),
    'ape': Row(dict(pos=('ape',)), 30, 4.5, 1132, 80.0),
    'lepe': Row(dict(pos=('lepe',)), 28, 4.5, 1074, 81.6),
    'cpe': Row(dict(pos=('cpe',)), 28, 4.5, 1099, 81.7),
    'rope': Row(dict(pos=('rope',)), 28, 4.5, 1113, 80.0),
    # All six designs: Mamba's block in this layout.
    'mamba': Row(
        dict(
            input_gate=True,
            forget_gate=True,
            shortcut=True,
            normalise=False,
            single_head=True,
            block='gated',
            scan=('row',),
        )
    ),
    # Not rows of the paper: tokens read only those before them, which asks MambaOut's question,
    # whether understanding an image needs more. Order alone also tells positions, so that the
    # second row has CPE as well.
    'causal': Row(dict(scan=('row',))),
    'cpe_causal': Row(dict(pos=('cpe',), scan=('row',))),
    # The winners, and what stands in for the forget gate: MILA's block in this layout.
    'winners': Row(dict(block='gated+mlp', pos=('lepe', 'cpe', 'rope'))),
}

default_cfgs = generate_default_cfgs(
    {f'study_{row}': default_cfg(first_conv='patch_embed.proj', classifier='head') for row in ROWS}
)


def _register(row):
    def create(pretrained=False, **kwargs):
        switches = {**ROWS[row].switches, **kwargs}
        return create_staged(LinearSwin, f'study_{row}', pretrained, **switches)

    create.__name__ = f'study_{row}'
    create.__doc__ = f'LinearSwin with {ROWS[row].switches or "no switch on: the baseline"}.'
    register_model(create)


for _row in ROWS:
    _register(_row)
