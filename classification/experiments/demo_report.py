"""The demo's table, curves and pictures, from the folders of its runs."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from pycocotools.coco import COCO

from ..datasets.digits import PALETTE, SEG_PALETTE
from ..visualization.figures import picture_grid, plots, save
from ..visualization.scalars import read_scalars
from ..visualization.tables import markdown

# Task, metric, the score from scratch, the score from the classifier, minutes per run.
Row = tuple[str, str, float | None, float, float]
PathLike = str | os.PathLike

GRID: dict[str, Any] = dict(cell=(2.2, 2.2), fontsize=10)
COLOURS = np.array(PALETTE) / 255


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    cells = [
        (task, metric, *('' if number is None else f'{number:.1f}' for number in numbers))
        for task, metric, *numbers in rows
    ]
    titles = ('task', 'metric', 'from scratch', 'from the classifier', 'minutes per run')
    return markdown(titles, cells)


def curves(path: PathLike, panels: Mapping[str, tuple[str, str, Mapping[str, PathLike]]]) -> None:
    """Training losses and validation scores.

    Args:
        path: PNG to write.
        panels: title -> (score's key in the scalars, its label, {name: work dir}).
    """
    figure, axes = plots(2, len(panels), (4.2 * len(panels), 6))
    for column, (title, (key, label, runs)) in enumerate(panels.items()):
        for name, folder in runs.items():
            scalars = read_scalars(folder)
            train = [s for s in scalars if 'loss' in s]
            axes[0, column].plot([s['step'] for s in train], [s['loss'] for s in train], label=name)
            val = [s for s in scalars if key in s]
            axes[1, column].plot(
                [s['step'] for s in val], [s[key] for s in val], marker='o', label=name
            )
        axes[0, column].set(title=title, xlabel='iteration', ylabel='training loss')
        axes[1, column].set(xlabel='epoch', ylabel=label)
        for ax in axes[:, column]:
            ax.legend()
    save(figure, path, dpi=90)


def detection_pictures(
    path: PathLike,
    annotations: PathLike,
    predictions: Mapping[str, PathLike],
    score: float = 0.5,
) -> None:
    """Scenes of digits: ground truth beside each run's predicted masks.

    Args:
        path: PNG to write.
        annotations: COCO annotation file of the scenes.
        predictions: title -> results.json of tools/predict.py, all of the same scenes.
        score: predictions below it are not shown.
    """
    truth = COCO(annotations)
    ids = {image['file_name']: number for number, image in truth.imgs.items()}
    results = {title: COCO(file) for title, file in predictions.items()}
    files = [Path(image['file_name']) for image in next(iter(results.values())).imgs.values()]
    figure, axes = picture_grid(len(files), ['image', 'ground truth', *results], **GRID)
    for row, file in zip(axes, files, strict=True):
        picture = np.asarray(Image.open(file)) / 255
        row[0].imshow(picture)
        _draw_instances(row[1], picture, truth, ids[file.name])
        for ax, found in zip(row[2:], results.values(), strict=True):
            number = next(n for n, im in found.imgs.items() if im['file_name'] == str(file))
            _draw_instances(ax, picture, found, number, score)
    save(figure, path, dpi=90)


def _draw_instances(
    ax: Axes, picture: np.ndarray, coco: COCO, image_id: int, score: float = 0.0
) -> None:
    """Masks over the darkened picture (H, W, 3), each with its digit and its score."""
    picture = picture * 0.5
    annotations = [a for a in coco.imgToAnns[image_id] if a.get('score', 1) >= score]
    for annotation in annotations:
        colour = COLOURS[annotation['category_id'] - 1]
        picture[coco.annToMask(annotation).astype(bool)] = colour
        label = str(annotation['category_id'] - 1)
        if 'score' in annotation:
            label += f' {annotation["score"]:.2f}'
        x, y = annotation['bbox'][:2]
        ax.text(x, y - 1, label, color=colour, fontsize=8, weight='bold')
    ax.imshow(picture)


def segmentation_pictures(path: PathLike, data: PathLike, predictions: Mapping[str, Path]) -> None:
    """Scenes of digits: the true map beside each run's.

    Args:
        path: PNG to write.
        data: the scenes in ADE20K's layout (maps: 0 unlabelled, 1 background, 2 the digit 0, …).
        predictions: title -> folder of predicted maps (0 background, 1 the digit 0, …).
    """
    colours = np.array(SEG_PALETTE, dtype=np.uint8)
    names = sorted(file.name for file in next(iter(predictions.values())).iterdir())
    figure, axes = picture_grid(len(names), ['image', 'ground truth', *predictions], **GRID)
    for row, name in zip(axes, names, strict=True):
        row[0].imshow(Image.open(Path(data) / 'images/validation' / name))
        truth = np.asarray(Image.open(Path(data) / 'annotations/validation' / name))
        row[1].imshow(colours[truth.astype(int) - 1])
        for ax, folder in zip(row[2:], predictions.values(), strict=True):
            row_map = np.asarray(Image.open(folder / name))
            ax.imshow(colours[row_map])
    save(figure, path, dpi=90)


def classification_pictures(path: PathLike, predictions: PathLike, columns: int = 10) -> None:
    """Single digits with the predicted class and its score, wrong ones in red.

    Args:
        path: PNG to write.
        predictions: results.json of tools/predict.py.
    """
    results = json.loads(Path(predictions).read_text())
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.35 * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    # Down the columns: one digit each.
    for ax, result in zip(axes.T.flat, results, strict=False):
        file, best = Path(result['file_name']), result['best'][0]
        ax.imshow(Image.open(file))
        right = file.parent.name.endswith(best['class'].split('_')[-1])
        ax.set_title(
            f'{best["class"].split("_")[-1]} {best["score"]:.2f}',
            fontsize=8,
            color='black' if right else 'red',
        )
    for ax in axes.flat:
        ax.axis('off')
    save(figure, path, dpi=90)
