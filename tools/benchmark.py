"""Time models side by side: classifiers, backbones, whole detectors and segmentors.

    python tools/benchmark.py                      # five tiny classifiers, 224 to 2048 pixels
    python tools/benchmark.py mila_tiny mambaout_tiny --sizes 224 --batch 1 32 --rounds 50
    python tools/benchmark.py configs/detection/mask-rcnn_*-t_fpn_1x_coco.py --sizes 800x1280
    python tools/benchmark.py --scans 1024 4096    # the selective scan beside Mamba's loop

A name is a classifier of timm (with --dense the source of its feature maps; mila_tiny@official is
MILA in the official code's order of operations); a path is a config,
whose model runs whole up to the raw outputs of its heads, as tools/complexity.py counts it:
without the final NMS and the pasting of masks. Weights and images are random. How it is timed:
classification/benchmark/measure.py.

Writes benchmark.json, benchmark.md, scaling.png and, of models with a published accuracy,
accuracy.png.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import torch

from classification import zoo
from classification.benchmark import report
from classification.benchmark.exported import EXPORTED_MODES
from classification.benchmark.goals import goal_cases
from classification.benchmark.measure import DTYPES, MODES, PEAK_SIDE, Case, machine, run_benchmark
from classification.benchmark.scans import run_scans, table
from classification.benchmark.sizes import image_size
from classification.engine.cli import errors_in_one_sentence
from classification.engine.errors import UsageError
from classification.zoo.systems import classifiers

TINY = [
    'mila_tiny',
    'vmamba_tiny',
    'mambaout_tiny',
    'swin_tiny_patch4_window7_224',
    'convnext_tiny',
]
SIZES = [(224, 224), (448, 448), (800, 1280), (1536, 1536), (2048, 2048)]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'models', nargs='*', metavar='NAME|CONFIG', help=f'default: {" ".join(TINY)}'
    )
    parser.add_argument('--dense', action='store_true', help='names are backbones, not classifiers')
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=image_size,
        default=SIZES,
        metavar='N|HxW',
        help='default: 224 448 800x1280 1536 2048',
    )
    parser.add_argument('--batch', nargs='+', type=int, default=[1])
    parser.add_argument('--precision', nargs='+', choices=DTYPES, default=['fp32'])
    parser.add_argument('--mode', nargs='+', choices=MODES, default=['eager'])
    parser.add_argument(
        '--run', nargs='+', choices=['inference', 'training'], default=['inference']
    )
    parser.add_argument(
        '--systems',
        action='store_true',
        help='the classifiers of docs/systems.md, instead of names',
    )
    parser.add_argument(
        '--goals',
        action='store_true',
        help='the cases of docs/performance.md, instead of names, sizes and settings',
    )
    parser.add_argument(
        '--scans',
        nargs='+',
        type=int,
        metavar='N',
        help='time the selective scan of N tokens beside its loop, instead of models',
    )
    parser.add_argument('--rounds', type=int, default=5, help='timed calls of each case')
    parser.add_argument(
        '--device', choices=PEAK_SIDE, default='cuda' if torch.cuda.is_available() else 'cpu'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), metavar='DIR')
    args = parser.parse_args(argv)
    if args.rounds < 1 or min(args.batch) < 1 or min(args.scans or [1]) < 1:
        parser.error('--rounds, --batch and --scans are 1 or more')
    return args


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = parse_args(argv)
    with errors_in_one_sentence():
        file = args.out / 'benchmark.json'
        if file.exists():
            raise UsageError(f'{file} exists: give another folder with --out.')
        if args.scans:
            return _scans(args, file)
        names = classifiers(zoo.models()) if args.systems else args.models or TINY
        settings = itertools.product(
            names, args.sizes, args.batch, args.precision, args.mode, args.run
        )
        if {*args.mode} & {*EXPORTED_MODES} and (
            {*args.precision} != {'fp32'} or {*args.run} != {'inference'} or args.device != 'cpu'
        ):
            raise UsageError(
                f'The modes {", ".join(EXPORTED_MODES)} are timed in fp32 inference on the CPU: '
                'time others in a run of their own.'
            )
        cases = goal_cases() if args.goals else [Case(*setting) for setting in settings]
        result = run_benchmark(cases, args.dense or args.goals, args.device, args.rounds)
        args.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result, indent=2) + '\n')
        tables = report.markdown(result)
        (args.out / 'benchmark.md').write_text(tables)
        print(tables)
        report.scaling_figure(args.out / 'scaling.png', result)
        report.accuracy_figure(args.out / 'accuracy.png', result)
        print(f'Written: {args.out}/benchmark.json, benchmark.md and the figures.')
    return result


def _scans(args: argparse.Namespace, file: Path) -> dict[str, Any]:
    rows = run_scans(args.scans, args.device, args.rounds)
    result = dict(machine=machine(torch.device(args.device)), scans=rows)
    args.out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + '\n')
    tables = table(rows)
    (args.out / 'benchmark.md').write_text(tables)
    print(tables)
    return result


if __name__ == '__main__':
    main()
