"""Top-k accuracy of a classifier."""

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Images whose class is among the k best scores, in per cent: `accuracy/top1`, ….

    Where the classifier has averaged weights, theirs are `accuracy/ema_top1`, …. They stand first,
    so that `save_best='auto'` goes by the average's top-1 where there is one, else by the model's.
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
        """Keep for each image which k hit.

        Args:
            data_samples: a dict for each image: scores (num_classes,), target, and ema_scores
                where there are such.
        """
        targets = torch.stack([sample['target'] for sample in data_samples])
        hits = {}
        for model in ('ema_', ''):
            if f'{model}scores' in data_samples[0]:
                scores = torch.stack([sample[f'{model}scores'] for sample in data_samples])
                ks = [k for k in self.topk if k <= scores.shape[1]]
                best = scores.topk(max(ks)).indices == targets[:, None]
                hits |= {f'{model}top{k}': best[:, :k].any(dim=1).tolist() for k in ks}
        rows = zip(*hits.values(), strict=True)
        self.results += [dict(zip(hits, row, strict=True)) for row in rows]

    def compute_metrics(self, results):
        """Dicts of name -> hit, one an image, to per cent of all."""
        return {name: 100 * sum(r[name] for r in results) / len(results) for name in results[0]}
