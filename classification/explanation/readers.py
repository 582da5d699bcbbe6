"""What one token reads of all others, for each kind of token mixer, without the N x N weights.

A reader takes a module, the arguments of its `forward`, the (row, column) of the token that reads
and the (height, width) of the map of tokens. It gives the weight of each token's value in what is
read, (height, width): the mean over heads or channels, without a shortcut of the token to itself.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformerBlock, window_reverse
from timm.models.vision_transformer import Attention
from torch import Tensor, nn

from ..models.ops.linear_attention import LinearAttention, attention_row
from ..models.unified_attention import UnifiedAttention
from ..rivals.vmamba import SelectiveScan2d
from .stages import Token


def read_linear(mixer: LinearAttention, inputs: tuple, query: Token, size: Token) -> Tensor:
    """MILA, without LePE. Inputs: x (1, H, W, C), gate, table."""
    x, _, table = inputs
    q, k = (F.elu(t.float()) + 1 for t in mixer.qk(x).chunk(2, dim=-1))
    return attention_row(q, k, table, mixer.num_heads, query)[0].mean(dim=0)


def read_unified(mixer: UnifiedAttention, inputs: tuple, query: Token, size: Token) -> Tensor:
    """The study's operator. Inputs: x (1, H, W, C), and a table where positions are rotary."""
    x, *table = inputs
    return mixer.attention_map(x, query, *table)


def read_scan(mixer: SelectiveScan2d, inputs: tuple, query: Token, size: Token) -> Tensor:
    """VMamba: the sum over its four orders. Inputs: x (1, H, W, C)."""
    (x,) = inputs
    return mixer.attention_map(x, query)


def read_softmax(mixer: Attention, inputs: tuple, query: Token, size: Token) -> Tensor:
    """ViT: the softmax of the query's scores. Inputs: x (1, N, C), class tokens in front."""
    prefix = inputs[0].shape[1] - size[0] * size[1]
    at = prefix + query[0] * size[1] + query[1]
    weights = _value_weights(mixer, mixer, inputs, lambda read: read[0, at])
    return weights[0, prefix:].view(size)


def read_window(block: SwinTransformerBlock, inputs: tuple, query: Token, size: Token) -> Tensor:
    """Swin: the softmax within the query's window, 0 outside of it. Inputs: x (1, H, W, C)."""
    at = query[0] * size[1] + query[1]
    seen: dict[str, Tensor] = {}
    hook = block.norm2.register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    try:  # behind the attention, in the order of the image's tokens
        weights = _value_weights(block, block.attn, inputs, lambda _: seen['x'].flatten(0, -2)[at])
    finally:
        hook.remove()
    window, shift = block.window_size, block.shift_size
    padded = [side + -side % length for side, length in zip(size, window, strict=True)]
    image = window_reverse(weights.view(-1, *window, 1), window, *padded)[0, : size[0], : size[1]]
    return torch.roll(image, shift, dims=(0, 1))[..., 0]


def _value_weights(
    module: nn.Module, attn: Any, inputs: tuple, at: Callable[[Tensor], Tensor]
) -> Tensor:
    """The weights of the values, as the gradient of what is read: it is linear in them.

    Args:
        module: it or a part of it is `attn`.
        attn: an attention of timm's with the layers `qkv` and `proj`.
        inputs: arguments of the module's forward.
        at: what the module gives -> the channels of the token that reads.

    Returns:
        The mean over channels (batch of `attn`, N).
    """
    values: list[Tensor] = []

    def free_values(_: nn.Module, args: tuple, qkv: Tensor) -> Tensor:
        q, k, v = qkv.detach().chunk(3, dim=-1)
        values.append(torch.zeros_like(v).requires_grad_())
        return torch.cat((q, k, values[0]), dim=-1)

    hooks = [
        attn.qkv.register_forward_hook(free_values),
        attn.proj.register_forward_hook(lambda _, args, out: args[0]),
    ]
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(at(module(*inputs)).sum(), values)
    finally:
        for hook in hooks:
            hook.remove()
    return gradient.mean(dim=-1)


Reader = Callable[[Any, tuple, Token, Token], Tensor]
READERS: dict[type[nn.Module], tuple[str, Reader]] = {
    LinearAttention: ('linear attention', read_linear),
    UnifiedAttention: ("the study's linear attention", read_unified),
    SelectiveScan2d: ('selective scan', read_scan),
    SwinTransformerBlock: ('window attention', read_window),
    Attention: ('softmax attention', read_softmax),
}
