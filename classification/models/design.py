"""The switches of the empirical study, as one value.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024).
"""

from dataclasses import dataclass

from .ops.layout import DIRECTIONS

BLOCKS = ('attention+mlp', 'gated+mlp', 'gated')
POSITIONS = ('ape', 'lepe', 'cpe', 'rope')


@dataclass(frozen=True)
class Design:
    """The switches of the study; the values given here are the baseline's.

    input_gate: Δ_i ⊙ V_i with Δ = softplus of a low-rank projection.
    forget_gate: Ã_i ⊙ S_{i-1}; needs a scan.
    shortcut: + D ⊙ x_i.
    normalise: divide by Q_i Z_i.
    single_head: one head with the query and key width of one of the baseline's heads.
    block: 'attention+mlp' (Transformer), 'gated+mlp' (Mamba's block for the attention sub-block
        alone) or 'gated' (Mamba's block for both).
    pos: any of POSITIONS: learned absolute tables, a local term on the values, convolutions before
        the sub-blocks, rotary queries and keys.
    scan: () lets every token read all tokens; 'row', 'row_back', 'column' or 'column_back' those
        before it in that order, and several of them take the mean.
    reach: a token reads those at most so many rows and columns away; None: all. Without a scan.

    Raises:
        ValueError: an unknown value, a forget gate without a scan, or a reach with one.
    """

    input_gate: bool = False
    forget_gate: bool = False
    shortcut: bool = False
    normalise: bool = True
    single_head: bool = False
    block: str = 'attention+mlp'
    pos: tuple[str, ...] = ()
    scan: tuple[str, ...] = ()
    reach: int | None = None

    def __post_init__(self) -> None:
        for name, known in (('pos', POSITIONS), ('scan', DIRECTIONS)):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else tuple(value or ())
            object.__setattr__(self, name, value)
            if len(set(value)) != len(value) or not set(value) <= set(known):
                raise ValueError(f'{name} takes each of {known} at most once, not {value}.')
        if self.block not in BLOCKS:
            raise ValueError(f'block {self.block!r} is none of {BLOCKS}.')
        if self.forget_gate and not self.scan:
            raise ValueError(
                'forget_gate=True decays from token to token and so combines with a scan, such as '
                "scan=('row',); scan=(), in which every token reads all, takes all other switches."
            )
        if self.reach is not None and (self.scan or self.reach < 1):
            raise ValueError(
                f'reach={self.reach} is at least 1, and limits what is read in an image: it does '
                f'not combine with scan={self.scan}.'
            )
