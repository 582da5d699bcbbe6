"""The main job on real handwriting: a classifier, and what its weights bring to dense prediction.

    python tools/demo.py [--work-dir work_dirs/demo] [--data data/digits]

Trains MILA on single digits, then Mask R-CNN and UperNet on scenes of digits, each twice with the
same seed and budget: from the classifier's weights and from scratch. Ends with a table, curves and
pictures in the work dir. Every step is tools/train.py, test.py or predict.py as a user runs them.
What is complete is kept: an interrupted demo goes on where it stopped, a complete one shows its
table again.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import demo_report
import jobs

CONFIGS = jobs.TOOLS.parent / 'configs/quickstart'
SHOWN = 4  # scenes in the pictures, and single digits of each class
STARTS = ('pretrained', 'scratch')


@dataclass
class Run:
    """A training and its evaluation, in a folder of its own.

    Args:
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
    options: tuple = ()

    def command(self, tool, *args):
        options = ['--cfg-options', *self.options] if self.options else []
        return jobs.tool(tool, CONFIGS / f'{self.config}.py', *args, *options)

    @property
    def metrics(self):
        return self.folder / 'metrics.json'

    @property
    def checkpoint(self):
        """The last one: the schedules are made for it."""
        return self.folder / Path((self.folder / 'last_checkpoint').read_text()).name

    @property
    def minutes(self):
        return sum(map(float, (self.folder / 'minutes.txt').read_text().split()))


def plan(work_dir, data, options):
    """The classifier's run, and by dense task its two runs: from its weights and from scratch."""
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


def train(runs):
    """Train, evaluate and predict runs side by side; those that are complete are left as they are.

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


def _some_images(folder):
    """The first images of a folder, or of each of its folders."""
    folders = [f for f in sorted(folder.iterdir()) if f.is_dir()] or [folder]
    return [image for f in folders for image in sorted(f.iterdir())[:SHOWN]]


def _together(runs, tool, args):
    """Run a tool for all runs at once."""
    jobs.run_jobs(
        [
            jobs.Job(f'{run.name}: {tool}', run.command(tool, *args(run)), run.folder / 'log.txt')
            for run in runs
        ],
        slots=len(runs),
    )


def report(work_dir, data, classifier, dense):
    """The table, also as results.json and results.md; curves.png and pictures of predictions."""

    def score(run, key):
        return json.loads(run.metrics.read_text())[key]

    rows = [
        ('classification', 'top-1', None, score(classifier, 'accuracy/top1'), classifier.minutes)
    ]
    for task, metric, key, factor in (
        ('detection', 'box AP', 'coco/bbox_mAP', 100),
        ('detection', 'mask AP', 'coco/segm_mAP', 100),
        ('segmentation', 'mIoU', 'mIoU', 1),
    ):
        pretrained, scratch = dense[task]
        rows.append(
            (
                task,
                metric,
                factor * score(scratch, key),
                factor * score(pretrained, key),
                pretrained.minutes,
            )
        )
    table = demo_report.table(rows)
    (work_dir / 'results.md').write_text(table + '\n')
    names = ('task', 'metric', 'scratch', 'pretrained', 'minutes')
    results = [dict(zip(names, row, strict=True)) for row in rows]
    (work_dir / 'results.json').write_text(json.dumps(results, indent=2) + '\n')

    folders = {
        task: dict(zip(STARTS, (r.folder for r in runs), strict=True))
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


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data', type=Path, default=Path('data/digits'))
    for task in ('classifier', 'detection', 'segmentation'):
        parser.add_argument(
            f'--{task}',
            nargs='+',
            default=[],
            metavar='KEY=VALUE',
            help='changes to the config of this task',
        )
    args = parser.parse_args(argv)
    if not args.data.exists():
        subprocess.run(jobs.tool('make_digits', '--out', args.data), check=True)

    jobs.stop_on_sigterm('run the demo again to go on.')
    classifier, dense = plan(args.work_dir, args.data, vars(args))
    train([classifier])
    for pretrained, scratch in dense.values():
        pretrained.options += (
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={classifier.checkpoint}',
        )
        train([pretrained, scratch])
    print(f'\n{report(args.work_dir, args.data, classifier, dense)}\n')
    print(f'Curves and pictures: {args.work_dir}/*.png')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('error: interrupted; run the demo again to go on where it stopped.')
