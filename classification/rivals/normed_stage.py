"""A stage that ends in a norm, so that its map is a normalised one."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..models.staged import Stage


class NormedStage(Stage):
    """A Stage whose features are normalised at its end.

    Args:
        blocks, downsample: as for Stage.
        dim: channels.
        eps: of the norm.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], downsample: nn.Module, dim: int, eps: float = 1e-6
    ) -> None:
        super().__init__(blocks, downsample)
        self.norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return self.norm(super().forward(x))
