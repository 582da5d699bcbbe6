"""Time models side by side: classifiers, backbones, whole detectors and segmentors.

    python tools/benchmark.py                      # five tiny classifiers, 224 to 2048 pixels
    python tools/benchmark.py mila_tiny mambaout_tiny --sizes 224 --batch 1 32 --rounds 50
    python tools/benchmark.py configs/detection/mask-rcnn_*-t_fpn_1x_coco.py --sizes 800x1280

A name is a classifier of timm (with --dense the source of its feature maps); a path is a config,
whose model runs whole up to the raw outputs of its heads, as tools/complexity.py counts it:
without the final NMS and the pasting of masks. Weights and images are random.

All cases take turns in one process, so that what slows the machine down slows all alike. So does
a large matrix product, and FLOP/s are given as a share of what it reaches. A training step is
forward, backward and AdamW; its FLOPs are taken as three forwards, those of a detector as unknown,
since it trains on other proposals than it tests. Memory is what a call holds at its peak beyond
the weights.

Writes benchmark.json, benchmark.md, scaling.png and, of models with a published accuracy,
accuracy.png.
"""

import argparse
import datetime
import itertools
import json
import platform
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import benchmark_report
import complexity
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement, PixelData

from classification.backbones import TimmBackbone
from classification.engine.cli import errors_in_one_sentence
from classification.engine.config import load_config
from classification.engine.errors import UsageError
from classification.models.factory import any_size, create_model
from classification.timing import interleaved, peak_memory

TINY = [
    'mila_tiny',
    'vmamba_tiny',
    'mambaout_tiny',
    'swin_tiny_patch4_window7_224',
    'convnext_tiny',
]
SIZES = [(224, 224), (448, 448), (800, 1280), (1536, 1536), (2048, 2048)]
DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
# Side of the matrices whose product is the machine's peak: larger ones are no faster.
PEAK_SIDE = dict(cpu=1024, cuda=8192)
# How torch, timm and the models refuse what they cannot do, or have no memory for.
REFUSALS = (RuntimeError, ValueError, AssertionError)


@dataclass
class Case:
    """One model in one setting; where `error` says so, it could not be measured."""

    model: str
    size: tuple
    batch: int
    precision: str
    mode: str  # 'eager' or 'compiled'
    run: str  # 'inference' or 'training'
    params: int | None = None
    flops: int | None = None  # multiply-adds of one image's forward
    work: int | None = None  # multiply-adds of a call
    memory: int | None = None  # bytes
    error: str | None = None
    seconds: list = field(default_factory=list)

    def __str__(self):
        size = 'x'.join(map(str, self.size))
        setting = (size, f'batch {self.batch}', self.precision, self.mode, self.run)
        return f'{self.model} {", ".join(setting)}'


class TimmModel:
    """A timm model, as a classifier or as the source of its feature maps."""

    training_forwards = 3  # a training step's FLOPs over a forward's: two more of the backward

    def __init__(self, name, dense):
        module = TimmBackbone(name) if dense else create_model(name, **any_size(name))
        self.module = self.compiled_part = module

    def inputs(self, batch, size, training):
        return [torch.randn(batch, 3, *size)]

    def infer(self, images):
        return self.module(images)

    def loss(self, images):
        """Any loss will do for the time it takes."""
        outputs = self.module(images)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        return sum(y.float().square().mean() for y in outputs)

    def flops(self, size):
        return complexity.count(self.module, torch.empty(1, 3, *size)).get_total_flops() // 2


class ConfigModel:
    """The model of a config: a classifier, Mask R-CNN or UperNet, without its weights' file."""

    def __init__(self, path):
        self.cfg = load_config(path)
        self.scope = complexity.task(self.cfg)
        model = self.cfg.model.copy()
        (model.get('backbone') or model).pop('init_cfg', None)
        with DefaultScope.overwrite_default_scope(self.scope):
            self.module = revert_sync_batchnorm(MODELS.build(model))
        self.compiled_part = self.module.backbone
        self.training_forwards = None if self.scope == 'mmdet' else 3

    def inputs(self, batch, size, training):
        """Random images and, to train, random truth."""
        images = torch.randn(batch, 3, *size)
        if self.scope == 'mmengine':
            return [images, torch.arange(batch) % self.module.num_classes]
        if not training:
            return [images, [BaseDataElement(metainfo=dict(img_shape=size))] * batch]
        if self.scope == 'mmdet':
            from mmdet.testing import demo_mm_inputs

            classes = self.cfg.model.roi_head.bbox_head.num_classes
            data = demo_mm_inputs(batch, [(3, *size)] * batch, [8] * batch, classes, with_mask=True)
            data = self.module.data_preprocessor(data, training=True)
            return [data['inputs'], data['data_samples']]

        from mmseg.structures import SegDataSample

        samples = [SegDataSample(metainfo=dict(img_shape=size)) for _ in range(batch)]
        for sample in samples:
            truth = torch.randint(self.cfg.model.decode_head.num_classes, (1, *size))
            sample.gt_sem_seg = PixelData(data=truth)
        return [images, samples]

    def infer(self, *inputs):
        return self.module(*inputs, mode='tensor')

    def loss(self, *inputs):
        return self.module.parse_losses(self.module(*inputs, mode='loss'))[0]

    def flops(self, size):
        return complexity.complexity(self.cfg, size)['flops']


def build(name, dense):
    """The model of a name or path.

    Raises:
        UsageError: there is none, or its config does not fit it.
    """
    try:
        return ConfigModel(name) if name.endswith('.py') else TimmModel(name, dense)
    except ValueError as error:
        raise UsageError(f'{name} cannot be built: {error}') from None


def make_steps(cases, dense, device):
    """What to call for each case; cases of one model, mode and run share its weights.

    Args:
        cases: list of Case; params and flops are filled in.
        dense: timm models give their feature maps.
        device: torch.device of the computation.

    Returns:
        [callable without arguments], which never fails: a refusal is kept as the case's error.
    """
    models, flops, steps = {}, {}, []
    for case in cases:
        key = (case.model, case.mode, case.run)
        if key not in models:
            models[key] = model = build(case.model, dense)
            for size in {c.size for c in cases if c.model == case.model}:
                if (case.model, size) not in flops:
                    flops[case.model, size] = _or_none(model.flops, size)
            model.module.to(device).train(case.run == 'training')
            if case.mode == 'compiled':
                model.compiled_part.compile(dynamic=False)
            # Random losses would lead the weights astray: they stay.
            model.optimizer = torch.optim.AdamW(model.module.parameters(), lr=0.0)
        case.params = sum(p.numel() for p in models[key].module.parameters())
        case.flops = flops[case.model, case.size]
        forwards = models[key].training_forwards if case.run == 'training' else 1
        if case.flops and forwards:
            case.work = case.batch * case.flops * forwards
        steps.append(_guarded(case, models[key], device))
    return steps


def _or_none(function, *args):
    try:
        return function(*args)
    except REFUSALS:
        return None


def _guarded(case, model, device):
    inputs = []

    def call():
        if case.precision == 'fp32':
            precision = nullcontext()
        else:
            precision = torch.autocast(device.type, DTYPES[case.precision])
        if case.run == 'inference':
            with precision, torch.no_grad():
                model.infer(*inputs)
        else:
            with precision:
                loss = model.loss(*inputs)
            loss.backward()
            model.optimizer.step()
            model.optimizer.zero_grad()

    def step():
        if case.error:
            return
        try:
            if not inputs:
                made = model.inputs(case.batch, case.size, case.run == 'training')
                inputs.extend(_move(x, device) for x in made)
            call()
        except REFUSALS as error:
            case.error = ' '.join(str(error).split())[:120] or type(error).__name__
            inputs.clear()
            model.optimizer.zero_grad()
            torch.cuda.empty_cache()

    return step


def _move(inputs, device):
    if isinstance(inputs, list):
        return [x.to(device) for x in inputs]
    return inputs.to(device)


def matmul(precision, device):
    """A product of square matrices, as linear layers do it, and its multiply-adds."""
    side = PEAK_SIDE[device.type]
    a = torch.randn(side, side, device=device, dtype=DTYPES[precision])
    return lambda: F.linear(a, a), side**3


def measure(cases, dense, device, rounds, say=print):
    """Fill in what the cases take.

    Args:
        cases, dense, device: see make_steps.
        rounds: timed calls of each case, after two that are not timed.
        say: told how far it is, a line at a time.

    Returns:
        {precision: multiply-adds a second of the best matrix product}.
    """
    # One form of a model for each shape of its input.
    torch._dynamo.config.recompile_limit = max(len(cases), 8)
    steps = dict(enumerate(make_steps(cases, dense, device)))
    for i, step in steps.items():
        start = time.perf_counter()
        step()  # the first call compiles, and makes the state of the optimiser
        seconds = time.perf_counter() - start
        cases[i].memory = peak_memory(step, device)
        say(f'[{i + 1}/{len(cases)}] {cases[i]}: {cases[i].error or f"{seconds:.2f} s at first"}')

    peaks = {precision: matmul(precision, device) for precision in {c.precision for c in cases}}
    steps = {i: step for i, step in steps.items() if not cases[i].error}
    steps.update({precision: product for precision, (product, _) in peaks.items()})
    start = time.perf_counter()

    def progress(done):
        left = (time.perf_counter() - start) / done * (rounds - done)
        say(f'round {done} of {rounds}, {left / 60:.1f} minutes left')

    times = interleaved(steps, rounds, warmup=0, device=device, on_round=progress)
    for i, case in enumerate(cases):
        if case.error:
            case.memory = None
        else:
            case.seconds = times[i]
    return {precision: adds / min(times[precision]) for precision, (_, adds) in peaks.items()}


def summary(case, peaks):
    """A case as a dict, with seconds, rates and shares where it was measured."""
    row = asdict(case)
    if not case.error:
        quarter, median, upper, p95 = np.percentile(case.seconds, [25, 50, 75, 95])
        row.update(
            median=median, p95=p95, spread=(upper - quarter) / median, images_s=case.batch / median
        )
        if case.work:
            row['peak_share'] = case.work / median / peaks[case.precision]
    return row


def image_size(text):
    """'224' or '800x1280' (height x width) as a pair."""
    sides = text.split('x')
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is no size such as 224 or 800x1280')
    return int(sides[0]), int(sides[-1])


def machine(device):
    """Where and with what it was measured."""
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = f'CPU ({platform.machine()}), threads: {torch.get_num_threads()}'
    return dict(device=name, torch=torch.__version__, date=str(datetime.date.today()))


def parse_args(argv=None):
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
    parser.add_argument('--mode', nargs='+', choices=['eager', 'compiled'], default=['eager'])
    parser.add_argument(
        '--run', nargs='+', choices=['inference', 'training'], default=['inference']
    )
    parser.add_argument('--rounds', type=int, default=5, help='timed calls of each case')
    parser.add_argument(
        '--device', choices=PEAK_SIDE, default='cuda' if torch.cuda.is_available() else 'cpu'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), metavar='DIR')
    args = parser.parse_args(argv)
    if args.rounds < 1 or min(args.batch) < 1:
        parser.error('--rounds and --batch are 1 or more')
    return args


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        file = args.out / 'benchmark.json'
        if file.exists():
            raise UsageError(f'{file} exists: give another folder with --out.')
        device = torch.device(args.device)
        cases = [
            Case(*setting)
            for setting in itertools.product(
                args.models or TINY, args.sizes, args.batch, args.precision, args.mode, args.run
            )
        ]
        peaks = measure(cases, args.dense, device, args.rounds)
        result = dict(
            machine=machine(device),
            dense=args.dense,
            peak={precision: 2 * adds for precision, adds in peaks.items()},  # FLOP/s
            cases=[summary(case, peaks) for case in cases],
        )
        result['growth'] = benchmark_report.growth(result['cases'])
        args.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result, indent=2) + '\n')
        tables = benchmark_report.markdown(result)
        (args.out / 'benchmark.md').write_text(tables)
        print(tables)
        benchmark_report.scaling_figure(args.out / 'scaling.png', result)
        benchmark_report.accuracy_figure(args.out / 'accuracy.png', result)
        print(f'Written: {args.out}/benchmark.json, benchmark.md and the figures.')
    return result


if __name__ == '__main__':
    main()
