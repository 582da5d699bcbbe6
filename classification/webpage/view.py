"""A result as what the viewer in the browser takes: a picture, a list, and what is where."""

import base64
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..results import ClassMap, Instances, Result, Scores
from ..serving.replies import to_json, to_png

_LONGEST = 1600  # pixels of a side of the picture; whoever saves it gets all
_POINTED = 1024  # of a side of the map for the pointer
_ROWS = 20

# Text, share of a bar from 0 to 1, colour of it.
Row = tuple[str, float, str]


def view(result: Result) -> dict[str, Any]:
    """What is drawn; values of JSON.

    Returns:
        picture: an address with the overlay in it.
        rows: the classes, or objects, with what `measure` says of them, the largest first.
        more: how many rows are left out.
        pointed: the map for the pointer, see `_pointed`.
    """
    rows = _rows(result)
    return {
        'picture': address(_reduced(result.draw(0.0))),
        'measure': 'share of the pixels' if isinstance(result, ClassMap) else 'score',
        'rows': rows[:_ROWS],
        'more': max(0, len(rows) - _ROWS),
        'pointed': _pointed(result),
    }


def files(result: Result, kind: str) -> tuple[str, str]:
    """(suffix, address with the content in it) of the overlay, or of the result as JSON."""
    if kind == 'json':
        content = json.dumps(to_json(result, 0.0, None)).encode()
        return '.json', _data('application/json', content)
    return '.png', _data('image/png', to_png(result.draw(0.0)))


def thumbnail(picture: Image.Image, side: int = 96) -> str:
    """An address with a small picture in it, of `side` pixels at most."""
    picture = picture.convert('RGB')
    picture.thumbnail((side, side))
    return address(picture)


def _rows(result: Result) -> list[Row]:
    if isinstance(result, Scores):
        colours = dict(zip(result.names, result.palette, strict=True))
        return [(name, score, _hex(colours[name])) for name, score in result.best()]
    if isinstance(result, Instances):
        scores = np.ones(len(result)) if result.scores is None else result.scores
        order = np.argsort(-scores, kind='stable')
        labels = result.labels[order]
        return [
            (result.names[label], float(score), _hex(result.palette[label]))
            for label, score in zip(labels, scores[order], strict=True)
        ]
    if isinstance(result, ClassMap):
        shares = result.counts() / max(1, result.map.size)
        order = np.argsort(-shares, kind='stable')
        return [
            (result.names[label], float(shares[label]), _hex(result.palette[label]))
            for label in order
            if shares[label]
        ]
    raise TypeError(f'{type(result).__name__} is no result that can be shown.')


def _pointed(result: Result) -> Mapping[str, Any] | None:
    """What is at each point of the image, None where a result says nothing of that.

    Returns:
        texts: of what can be pointed at; the first is of nothing.
        width, height: of the map.
        ids: (height, width) positions in `texts`, two bytes each, the lower first; deflated, in
            base64.
    """
    if isinstance(result, Instances):
        texts, ids = _pointed_instances(result)
    elif isinstance(result, ClassMap):
        step = _step(result.map.shape)
        labels = result.map[::step, ::step]
        known = (labels >= 0) & (labels < len(result.names))
        texts, ids = ['', *result.names], np.where(known, labels.astype(np.int64) + 1, 0)
    else:
        return None
    content = base64.b64encode(zlib.compress(ids.astype('<u2').tobytes())).decode()
    return {'texts': texts, 'width': ids.shape[1], 'height': ids.shape[0], 'ids': content}


def _pointed_instances(result: Instances) -> tuple[list[str], np.ndarray]:
    """The surest is on top, as drawn; of boxes without masks the smallest, or it is never met."""
    texts, size = [''], result.image.shape[:2]
    ids = np.zeros(size, np.uint16)
    sizes = np.prod(result.boxes[:, 2:] - result.boxes[:, :2], axis=1)
    scores = np.ones(len(result)) if result.scores is None else result.scores
    order = np.argsort(-sizes if result.cut_masks is None else scores, kind='stable')
    for number, i in enumerate(order.tolist(), 1):
        texts.append(f'{result.names[result.labels[i]]} {scores[i]:.2f}')
        if result.cut_masks is None:
            x1, y1, x2, y2 = np.clip(result.boxes[i], 0, None).round().astype(int)
            ids[y1:y2, x1:x2] = number
        else:
            (x, y), part = result.cut_masks[i].corner, result.cut_masks[i].part
            ids[y : y + part.shape[0], x : x + part.shape[1]][part] = number
    step = _step(size)
    return texts, ids[::step, ::step]


def _step(size: Sequence[int]) -> int:
    return math.ceil(max(size) / _POINTED)


def _reduced(picture: Image.Image) -> Image.Image:
    if max(picture.size) > _LONGEST:
        picture.thumbnail((_LONGEST, _LONGEST))
    return picture


def address(picture: Image.Image) -> str:
    """An address with a picture in it, as JPEG."""
    file = io.BytesIO()
    picture.save(file, 'JPEG', quality=92, subsampling=0)
    return _data('image/jpeg', file.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def _hex(colour: Sequence[int]) -> str:
    return '#' + ''.join(f'{part:02x}' for part in colour)
