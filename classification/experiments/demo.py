"""The demo: a classifier of handwritten digits, and what its weights bring to dense prediction.

Every step is tools/train.py, test.py or predict.py as a user runs them.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets.digits_files import describe, make_digits
from . import demo_report, jobs

CONFIGS = jobs.TOOLS.parent / 'configs/quickstart'
SHOWN = 4  # scenes in the pictures, and single digits of each class
STARTS = ('pretrained', 'scratch')
# Rows of the table: task, metric, its key in metrics.json, what makes it per cent.
DENSE_METRICS = (
    ('detection', 'box AP', 'coco/bbox_mAP', 100),
    ('detection', 'mask AP', 'coco/segm_mAP', 100),
    ('segmentation', 'mIoU', 'mIoU', 1),
)


@dataclass
class Run:
    """A training and its evaluation, in a folder of its own.

    Attributes:
        name: for people.
        folder: receives checkpoints, log.txt, metrics.json, predictions/.
        config: file name in configs/quickstart.
        images: folder of the images to predict.
        options: KEY=VALUE changes to the config.
    """

    name: str
    folder: Path
    config: str
    images: Path
    options: tuple[str, ...] = ()

    def command(self, tool: str, *args: str | os.PathLike) -> list[str | os.PathLike]:
        """The command that runs a tool on the config."""
        options = ['--cfg-options', *self.options] if self.options else []
        return jobs.tool(tool, CONFIGS / f'{self.config}.py', *args, *options)

    @property
    def metrics(self) -> Path:
        """What the evaluation writes, and so the sign that the run is complete."""
        return self.folder / 'metrics.json'

    @property
    def checkpoint(self) -> Path:
        """The last one: the schedules are made for it."""
        return self.folder / Path((self.folder / 'last_checkpoint').read_text()).name

    @property
    def minutes(self) -> float:
        """Of training, all parts together."""
        return sum(map(float, (self.folder / 'minutes.txt').read_text().split()))


def run_demo(work_dir: Path, data: Path, options: Mapping[str, Sequence[str]]) -> str:
    """Train, evaluate and predict whatever is not complete yet, and report.

    Args:
        work_dir: receives a folder per run, the table, curves and pictures.
        data: folder of the digits; they are made where it does not exist.
        options: 'classifier', 'detection' or 'segmentation' -> KEY=VALUE changes to its config.

    Returns:
        The table.

    Raises:
        SystemExit: a step failed.
    """
    if not data.exists():
        print(describe(make_digits(data)))
    classifier, dense = plan(work_dir, data, options)
    train([classifier])
    for pretrained, scratch in dense.values():
        pretrained.options += (
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={classifier.checkpoint}',
        )
        train([pretrained, scratch])
    return report(work_dir, data, classifier, dense)


def plan(
    work_dir: Path, data: Path, options: Mapping[str, Sequence[str]]
) -> tuple[Run, dict[str, list[Run]]]:
    """The classifier's run, and the two of each dense task, in the order of STARTS."""
    classifier = Run(
        'classifier',
        work_dir / 'classifier',
        'mila-digits_1xb64_digits',
        data / 'imagenet/val',
        tuple(options.get('classifier', ())),
    )
    dense = {}
    for task, model, config, scenes in (
        ('detection', 'Mask R-CNN', 'mask-rcnn_mila-digits_fpn_digits', 'coco/val2017'),
        ('segmentation', 'UperNet', 'upernet_mila-digits_digits', 'ade/images/validation'),
    ):
        dense[task] = [
            Run(
                f'{model}, {start}',
                work_dir / f'{task}-{start}',
                config,
                data / scenes,
                tuple(options.get(task, ())),
            )
            for start in STARTS
        ]
    return classifier, dense


def train(runs: Sequence[Run]) -> None:
    """Train, evaluate and predict in parallel; complete runs are left as they are.

    Raises:
        SystemExit: a step failed.
    """
    runs = [run for run in runs if not run.metrics.exists()]
    for run in runs:
        run.folder.mkdir(parents=True, exist_ok=True)
    started = time.time()
    try:
        _together(runs, 'train', lambda r: ('--work-dir', r.folder, '--resume'))
    finally:
        for run in runs:
            with open(run.folder / 'minutes.txt', 'a') as file:
                file.write(f'{(time.time() - started) / 60:.2f}\n')
    _together(
        runs,
        'predict',
        lambda r: (r.checkpoint, *_some_images(r.images), '--out', r.folder / 'predictions'),
    )
    _together(
        runs, 'test', lambda r: (r.checkpoint, '--work-dir', r.folder / 'test', '--out', r.metrics)
    )


def _some_images(folder: Path) -> list[Path]:
    """The first images of a folder, or of each of its folders."""
    folders = [f for f in sorted(folder.iterdir()) if f.is_dir()] or [folder]
    return [image for f in folders for image in sorted(f.iterdir())[:SHOWN]]


def _together(
    runs: Sequence[Run], tool: str, args: Callable[[Run], Sequence[str | os.PathLike]]
) -> None:
    """Run a tool for all runs at once."""
    jobs.run_jobs(
        [
            jobs.Job(f'{run.name}: {tool}', run.command(tool, *args(run)), run.folder / 'log.txt')
            for run in runs
        ],
        slots=len(runs),
    )


def report(work_dir: Path, data: Path, classifier: Run, dense: Mapping[str, Sequence[Run]]) -> str:
    """Write results.md, results.json, curves.png and the pictures of predictions.

    Returns:
        The table of results.md.
    """
    rows = _scores(classifier, dense)
    table = demo_report.table(rows)
    (work_dir / 'results.md').write_text(table + '\n')
    names = ('task', 'metric', 'scratch', 'pretrained', 'minutes')
    results = [dict(zip(names, row, strict=True)) for row in rows]
    (work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')

    folders = {
        task: dict(zip(STARTS, (run.folder for run in runs), strict=True))
        for task, runs in dense.items()
    }
    demo_report.curves(
        work_dir / 'curves.png',
        {
            'classifier': ('accuracy/top1', 'top-1 (%)', {'classifier': classifier.folder}),
            'Mask R-CNN': ('coco/segm_mAP', 'mask AP', folders['detection']),
            'UperNet': ('mIoU', 'mIoU (%)', folders['segmentation']),
        },
    )
    demo_report.classification_pictures(
        work_dir / 'classification.png', classifier.folder / 'predictions/results.json'
    )
    demo_report.detection_pictures(
        work_dir / 'detection.png',
        data / 'coco/annotations/instances_val2017.json',
        {s: f / 'predictions/results.json' for s, f in folders['detection'].items()},
    )
    demo_report.segmentation_pictures(
        work_dir / 'segmentation.png',
        data / 'ade',
        {s: f / 'predictions/masks' for s, f in folders['segmentation'].items()},
    )
    return table


def _scores(classifier: Run, dense: Mapping[str, Sequence[Run]]) -> list[demo_report.Row]:
    def score(run: Run, key: str) -> float:
        return json.loads(run.metrics.read_text())[key]

    top1 = score(classifier, 'accuracy/top1')
    rows: list[demo_report.Row] = [('classification', 'top-1', None, top1, classifier.minutes)]
    for task, metric, key, factor in DENSE_METRICS:
        pretrained, scratch = dense[task]
        scores = factor * score(scratch, key), factor * score(pretrained, key)
        rows.append((task, metric, *scores, pretrained.minutes))
    return rows
