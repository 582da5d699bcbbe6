"""Evaluate a checkpoint on the config's test set and print its metrics.

    python tools/test.py CONFIG CHECKPOINT [--out FILE.json] [--show-dir DIR] [--tta]
    python tools/test.py CONFIG CHECKPOINT --input-size 288 --crop-pct 1.0

CHECKPOINT may be in any format that classification/engine/weights.py reads; it must fit the model.
Of a classifier's file with averaged weights (EMA) beside those in training both are evaluated, in
one pass over the images; elsewhere the averaged ones are. For several processes see
tools/dist_test.sh and tools/slurm_test.sh; for predictions in files see tools/predict.py.
"""

import copy
import json
from pathlib import Path

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from classification.datasets import ReadImage
from classification.engine.checks import check_data
from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.config import leaf_datasets, load_config
from classification.engine.distributed import unwrapped
from classification.engine.errors import UsageError
from classification.engine.loading import load_weights
from classification.engine.runner import Runner
from classification.engine.weights import read_weights
from classification.visualization.drawing import (
    class_colours,
    draw_prediction,
    draw_truth,
    hstack,
    read_picture,
)


def parse_args(argv=None):
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL')
    parser.add_argument('--work-dir', help='for the log; default: work_dirs/<name of the config>')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the metrics there too')
    parser.add_argument(
        '--show-dir',
        type=Path,
        metavar='DIR',
        help='write a picture of each image there: the truth on the left, the prediction right',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="average over the augmentations of the config's tta_pipeline, such as scales and flip",
    )
    parser.add_argument(
        '--input-size',
        type=int,
        metavar='N',
        help="side of a classifier's test images in pixels, other than the config's",
    )
    parser.add_argument(
        '--crop-pct',
        type=float,
        metavar='SHARE',
        help='share of the resized image that the central crop keeps, above 0 and at most 1',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.json':
        parser.error(f'--out takes a .json file, not {args.out}')
    if args.crop_pct is not None and not 0 < args.crop_pct <= 1:
        parser.error(f'--crop-pct is above 0 and at most 1, not {args.crop_pct}')
    return args


def is_classifier(cfg):
    return cfg.get('model', {}).get('type') == 'ImageClassifier'


def change_images(cfg, **changes):
    """Resize and crop test images otherwise than the config says; None changes nothing.

    Raises:
        UsageError: the config is none of a classifier.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        return
    if not is_classifier(cfg):
        raise UsageError(
            f'--input-size and --crop-pct are for classifiers, unlike {cfg.filename}: '
            'change its test_pipeline.'
        )
    for dataset in leaf_datasets(cfg.test_dataloader.dataset):
        for step in dataset.pipeline:
            if step.type == 'TimmTransform':
                step.update(changes)


def use_tta(cfg):
    """Wrap the model and change the pipeline for test-time augmentation.

    Raises:
        UsageError: the config says nothing about it.
    """
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise UsageError(f'--tta needs tta_model and tta_pipeline in {cfg.filename}: add them.')
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    for dataset in leaf_datasets(cfg.test_dataloader.dataset):
        dataset.pipeline = cfg.tta_pipeline


def average_nothing(cfg):
    """Leave out the training's own averages: in evaluation a file's two sets are what there is."""
    hooks = cfg.get('default_hooks', {})
    for name in [n for n, hook in hooks.items() if hook and hook['type'] in ('EMA', 'MESA')]:
        hooks[name] = None
    cfg.custom_hooks = [h for h in cfg.get('custom_hooks', []) if h['type'] not in ('EMA', 'MESA')]


class ScoreAverage(Hook):
    """After loading, give the classifier the file's averaged weights beside those in training."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    def after_load_checkpoint(self, runner, checkpoint):
        model = unwrapped(runner.model)
        # What the Runner has loaded; no part of the model, which the Runner puts in eval mode.
        model.attach_ema(copy.deepcopy(model.backbone).eval())
        load_weights(model, self.checkpoint, ema=False)


class Show(Hook):
    """Write the truth and the prediction of each test image beside each other."""

    def __init__(self, folder):
        self.folder = folder

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        dataset = runner.test_dataloader.dataset
        classes, palette = dataset.metainfo['classes'], class_colours(dataset.metainfo)
        # The sampler deals out the images to the processes in turn.
        first = batch_idx * runner.test_dataloader.batch_sampler.batch_size
        for i, sample in enumerate(outputs, start=first):
            index = i * runner.world_size + runner.rank
            if index >= len(dataset):  # repeated to give all processes equally many
                continue
            info = dataset.get_data_info(index)
            path = Path(info['img_path'])
            in_archive = 'archive' in info
            picture = np.asarray(ReadImage()(info)['img']) if in_archive else read_picture(path)
            self.folder.mkdir(parents=True, exist_ok=True)
            hstack(
                draw_truth(picture, sample, classes, palette),
                draw_prediction(picture, sample, classes, palette),
            ).save(self.folder / f'{index:06d}_{path.stem}.png')


def run(runner, input_size):
    """The metrics.

    Raises:
        UsageError: the model does not take images of a size that was asked for.
    """
    try:
        return runner.test()
    except (AssertionError, ValueError) as error:
        if input_size is None:
            raise
        reason = ' '.join(str(error).split())
        raise UsageError(f'--input-size {input_size} does not suit the model: {reason}') from error


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
        if args.tta:
            use_tta(cfg)
        change_images(cfg, input_size=args.input_size, crop_pct=args.crop_pct)
        average_nothing(cfg)
        check_data(cfg, 'test')
        # A file of no use fails now, not after the data are read.
        both = read_weights(args.checkpoint).has_both and is_classifier(cfg)
        cfg.load_from, cfg.resume = args.checkpoint, False
        runner = Runner.from_cfg(cfg)
        if both:
            runner.register_hook(ScoreAverage(args.checkpoint))
        if args.show_dir:
            runner.register_hook(Show(args.show_dir))
        metrics = run(runner, args.input_size)
        if is_main_process():
            for name, value in metrics.items():
                print(f'{name:24} {value:.4f}')
            if args.out:
                args.out.parent.mkdir(parents=True, exist_ok=True)
                args.out.write_text(json.dumps(metrics, indent=2, default=float) + '\n')
    return metrics


if __name__ == '__main__':
    main()
