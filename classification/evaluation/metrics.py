"""Top-k accuracy of a classifier."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Images whose class is among the k best scores, in per cent: `accuracy/top1`, ….

    Where the classifier has EMA weights, theirs are `accuracy/ema_top1`, …. They stand first, so
    that `save_best='auto'` goes by the EMA weights' top-1 where there are any, else by the model's.
    Each image counts once, also when it was repeated to give all processes equally many: MMEngine
    collects the results in the dataset's order and cuts them at its length.

    Args:
        topk: the numbers k; one beyond the number of classes is left out.
        **: see mmengine.evaluator.BaseMetric.
    """

    default_prefix = 'accuracy'

    def __init__(self, topk: Sequence[int] = (1, 5), **kwargs: Any):
        super().__init__(**kwargs)
        self.topk = tuple(topk)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, torch.Tensor]]) -> None:
        """Keep which k hit, per image.

        Args:
            data_samples: one dict per image: scores (num_classes,), target, and ema_scores where
                there are any.
        """
        targets = torch.stack([sample['target'] for sample in data_samples])
        hits: dict[str, list[bool]] = {}
        for model in ('ema_', ''):
            if f'{model}scores' in data_samples[0]:
                scores = torch.stack([sample[f'{model}scores'] for sample in data_samples])
                ks = [k for k in self.topk if k <= scores.shape[1]]
                best = scores.topk(max(ks)).indices == targets[:, None]
                hits |= {f'{model}top{k}': best[:, :k].any(dim=1).tolist() for k in ks}
        rows = zip(*hits.values(), strict=True)
        self.results += [dict(zip(hits, row, strict=True)) for row in rows]

    def compute_metrics(self, results: Sequence[dict[str, bool]]) -> dict[str, float]:
        """Dicts of name -> hit, one per image, to per cent of all images."""
        return {name: 100 * sum(r[name] for r in results) / len(results) for name in results[0]}
