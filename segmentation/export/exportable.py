"""Which segmentors can be exported, and how they are described."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from onnxscript import ir
from torch import Tensor, nn

from classification.engine.errors import UsageError
from classification.export.exportable import Exportable, Finish, Logits, Port
from classification.export.operators import Operators
from classification.export.pipelines import pixels_of_pipeline

from .pooling import with_matrix_pools

_LOGITS = 'logits_of_pixels'


class HeadLogits(nn.Module):
    """An EncoderDecoder's backbone and head.

    Args:
        segmentor: mmseg's, in evaluation mode.
    """

    def __init__(self, segmentor: Any):
        super().__init__()
        self.segmentor = copy.deepcopy(segmentor)
        with_matrix_pools(self.segmentor)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, h, w) logits of normalised images (B, 3, H, W), at the head's resolution."""
        return self.segmentor.decode_head(self.segmentor.extract_feat(x))


def exportable(segmentor: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Exportable:
    """An EncoderDecoder, such as UperNet, with what is around it.

    Args:
        segmentor: mmseg's, in evaluation mode.
        steps: configs of the transforms of testing.

    Raises:
        UsageError: a part of the segmentor or a step has no form that can be exported.
    """
    if reason := refusal(segmentor):
        raise UsageError(f'This segmentor cannot be exported, for {reason}.')
    head: Any = segmentor.decode_head
    classes = head.out_channels
    dtype = 'uint8' if classes <= 256 else 'int32'
    logits = Port(
        'logits',
        ['batch', classes, 'rows', 'columns'],
        'float32',
        "logits at the head's resolution",
    )
    return Exportable(
        task='segmentation',
        network=HeadLogits(segmentor),
        network_outputs=[logits],
        outputs=[
            Port(
                'map',
                ['batch', 'height', 'width'],
                dtype,
                'position in mila.classes, from 0, of each pixel of the image as given',
            )
        ],
        pixels=pixels_of_pipeline(steps, segmentor.data_preprocessor, divisor=1),
        finish=Finish(
            _best_class(dtype, head.align_corners),
            {
                'logits': (logits.dtype, logits.shape),
                'shape': ('int64', [2]),
                'size': ('int64', [2]),
            },
        ),
        logits=Logits(f'finish/{_LOGITS}', lambda sample: sample.seg_logits.data.cpu().numpy()),
    )


def _best_class(dtype: str, align_corners: bool) -> Any:
    kind = ir.DataType.UINT8 if dtype == 'uint8' else ir.DataType.INT32
    places = 'align_corners' if align_corners else 'half_pixel'

    def write(op: Operators, logits: ir.Value, shape: ir.Value, size: ir.Value) -> dict:
        for target in (shape, size):  # mmseg resizes to the network's images, then to those given
            sizes = op.Concat(op.Shape(logits, start=0, end=2), target, axis=0)
            logits = op.Resize(
                logits, None, None, sizes, mode='linear', coordinate_transformation_mode=places
            )
        logits.name = _LOGITS
        return {'map': op.Cast(op.ArgMax(logits, axis=1, keepdims=0), to=kind)}

    return write


def refusal(segmentor: Any) -> str | None:
    """Why a segmentor cannot be exported; None where it can."""
    if type(segmentor).__name__ != 'EncoderDecoder':
        return f'it is a {type(segmentor).__name__}, not an EncoderDecoder'
    if segmentor.test_cfg.get('mode', 'whole') != 'whole':
        return 'it is tested in sliding windows, not on whole images'
    if segmentor.decode_head.out_channels == 1:
        return 'it has one channel for two classes'
    if segmentor.data_preprocessor.test_cfg:
        return 'its data preprocessor pads test images'
    return None
