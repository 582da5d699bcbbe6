"""Top-k accuracy of a classifier."""

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Images whose class is among the k best scores, in per cent: `accuracy/top1`, ….

    Each image counts once, also when it was repeated to give all processes equally many: MMEngine
    collects the results in the dataset's order and cuts them at its length.

    Args:
        topk: the numbers k; one beyond the number of classes is left out.
        **: see mmengine.evaluator.BaseMetric.
    """

    default_prefix = 'accuracy'

    def __init__(self, topk=(1, 5), **kwargs):
        super().__init__(**kwargs)
        self.topk = tuple(topk)

    def process(self, data_batch, data_samples):
        """Keep for each image, a dict(scores (num_classes,), target), whether each k hits."""
        scores = torch.stack([sample['scores'] for sample in data_samples])
        targets = torch.stack([sample['target'] for sample in data_samples])
        ks = [k for k in self.topk if k <= scores.shape[1]]
        best = scores.topk(max(ks)).indices == targets[:, None]
        hits = torch.stack([best[:, :k].any(dim=1) for k in ks], dim=1)
        self.results += [dict(zip(ks, row, strict=True)) for row in hits.tolist()]

    def compute_metrics(self, results):
        """Dicts of k -> hit, one an image, to per cent of all."""
        return {f'top{k}': 100 * sum(r[k] for r in results) / len(results) for k in results[0]}
