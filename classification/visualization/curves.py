"""Curves of a training: loss, top-1 and learning rate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .scalars import read_scalars

PANELS: dict[str, dict[str, str | None]] = {
    'loss': {'loss': 'training'},
    'top-1, per cent': {'accuracy/top1': 'model', 'accuracy/ema_top1': 'EMA weights'},
    'learning rate': {'lr': None},
}


@HOOKS.register_module()
class Curves(Hook):
    """Draw `curves.png` into the work dir after training, of a resumed run from its beginning."""

    @master_only
    def after_train(self, runner: Any) -> None:
        folders = [Path(runner.work_dir)]
        if runner._resume and runner._load_from:
            folders.insert(0, Path(runner._load_from).parent)
        draw_curves(folders, len(runner.train_dataloader), Path(runner.work_dir) / 'curves.png')


def draw_curves(folders: Sequence[Path], epoch_length: int, path: Path) -> None:
    """Curves over the epochs, from the logs of runs; of a step that two logged, the later run's.

    Args:
        folders: work dirs, the oldest first.
        epoch_length: iterations per epoch.
        path: PNG to write.
    """
    figure = Figure(figsize=(12, 3.2), layout='constrained')
    for axes, (title, curves) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for key, label in curves.items():
            points = read_scalar(folders, key)
            # MMEngine counts validations by epochs, and all else by iterations.
            unit = 1 if key.startswith('accuracy/') else epoch_length
            epochs = [step / unit for step in points]
            if points:
                axes.plot(epochs, points.values(), label=label, marker='.' if unit == 1 else None)
        axes.set(title=title, xlabel='epoch')
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    figure.savefig(path, dpi=100)


def read_scalar(folders: Sequence[Path], key: str) -> dict[int, float]:
    """{step: value} of what MMEngine logged as `key`, in the order of the steps."""
    points = {}
    for folder in folders:
        for line in read_scalars(folder):
            if key in line:
                points[line['step']] = line[key]
    return dict(sorted(points.items()))
