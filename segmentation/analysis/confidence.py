"""How sure a segmentor is of each pixel."""

import numpy as np
from torch import Tensor


def confidences(logits: Tensor) -> np.ndarray:
    """The share that a segmentor gives the class that it predicts.

    Args:
        logits: (C, H, W) before softmax; (1, H, W) before sigmoid, of mmseg's binary heads.

    Returns:
        (H, W), from 0 to 1.
    """
    logits = logits.float()
    if len(logits) == 1:
        return logits[0].abs().sigmoid().cpu().numpy()  # of the surer one of both classes
    return (logits.amax(dim=0) - logits.logsumexp(dim=0)).exp().cpu().numpy()
