"""report.html of a work dir: one file that opens anywhere."""

import datetime
import importlib.metadata
import math
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from ..engine.files.atomic import atomic
from ..visualization.page import Section, code, folded, heading, page, paragraph, table, tiles
from .collector import Collector
from .runs import Run, evaluate_run
from .training import MAIN_METRIC, training_section

_PACKAGES = ('torch', 'torchvision', 'timm', 'mmengine', 'mmcv', 'numpy')


def write_report(
    work_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    config: str | os.PathLike | None = None,
    score_thr: float = 0.3,
) -> Path:
    """Evaluate a checkpoint of a training on its config's test set, and explain the result.

    Args:
        work_dir: of the training.
        checkpoint: path or URL; None for the best one that the training kept, else its last.
        out: HTML file to write; None for report.html in the work dir.
        config: None for the one in the work dir.
        score_thr: detections below it are left out of pictures and confusions.

    Returns:
        The file.

    Raises:
        UsageError, DataError, CheckpointError: work dir, config, data or file cannot be used.
    """
    run = evaluate_run(work_dir, checkpoint, config, score_thr)
    images = f'{len(run.collector.dataset)} images'
    sections = [
        _headline(run.metrics),
        training_section(run.log),
        *run.analysis.sections(run.collector.picture),
        _speed(run.collector),
        _commands(run.config, run.checkpoint, run.work_dir),
        _setting(run.cfg, run.config),
    ]
    path = Path(out) if out else run.work_dir / 'report.html'
    return write_page(path, page(run.name, [f'{run.checkpoint} on {images}, {now()}'], sections))


def write_results_report(run: Run, out: str | os.PathLike) -> Path:
    """Explain results that were saved before, of which no model and no training is known.

    Args:
        run: such as `saved.read_class_results` gives it.
        out: HTML file to write.

    Returns:
        The file.
    """
    sections = [_headline(run.metrics), *run.analysis.sections(run.picture)]
    subtitle = f'Saved results of {len(run.analysis.names())} images, {now()}'
    return write_page(Path(out), page(run.name, [subtitle], sections))


def now() -> str:
    """The time, to be read."""
    return f'{datetime.datetime.now():%d %B %Y, %H:%M}'


def write_page(path: Path, text: str) -> Path:
    """Write a page to a file, which is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as unfinished:
        unfinished.write_text(text, encoding='utf-8', errors='replace')
    return path


def _headline(metrics: Mapping[str, float]) -> Section:
    if not metrics:
        return Section('Result', [paragraph('The evaluators gave no metric: nothing was found.')])
    values = {key: float(value) for key, value in metrics.items()}
    main = [tile(key, value) for key, value in values.items() if MAIN_METRIC.search(key)]
    every = table(['', ''], [[key, number(value)] for key, value in values.items()])
    title = 'All metrics'
    if not main:
        return Section('Result', [heading(title), every])
    note = paragraph('In per cent; APs are times 100.', note=True)
    return Section('Result', [tiles(main), note, folded(title, every)])


def tile(key: str, value: float) -> tuple[str, str]:
    """A metric as people call it."""
    name = key.split('/')[-1].replace('bbox_mAP', 'box AP').replace('segm_mAP', 'mask AP')
    name = name.replace('ema_top', 'EMA weights, top-').replace('_', ' at IoU 0.')
    name = f'top-{name[3:]}' if name.startswith('top') else name
    if math.isnan(value) or value < 0:
        return name, '–'
    return name, f'{100 * value if "mAP" in key else value:.1f}'


def number(value: float) -> str:
    """As text; what is not finite is a dash."""
    return f'{value:.4g}' if math.isfinite(value) else '–'


def _speed(collector: Collector) -> Section:
    return Section(
        'Speed and memory',
        [
            tiles(
                [
                    ('per image', f'{collector.milliseconds:.0f} ms'),
                    ('parameters', f'{collector.parameters / 1e6:.2f} M'),
                ]
            ),
            table(
                ['', ''],
                [
                    ['device', collector.device],
                    ['peak memory', collector.memory],
                    ['images in a batch', str(collector.batch_size)],
                ],
                text=(1,),
            ),
            paragraph(
                'The median over the batches of this evaluation, of the forward pass with its '
                'post-processing; loading is not in it. The machine may have done other things '
                'besides: for comparisons use tools/benchmark.py.',
                note=True,
            ),
        ],
    )


def _commands(config: Path, checkpoint: str | os.PathLike, work_dir: Path) -> Section:
    def line(*words: str | os.PathLike) -> str:
        return shlex.join(['python', *map(str, words)])

    return Section(
        'Use it',
        [
            heading('Predict images'),
            code(f'{line("tools/predict.py", config, checkpoint)} IMAGES… --out DIR'),
            heading('Evaluate again, and write this report again'),
            code(
                f'{line("tools/test.py", config, checkpoint)}\n'
                f'{line("tools/analyze.py", work_dir, "--checkpoint", checkpoint)}'
            ),
            heading('Resume the training'),
            code(line('tools/train.py', config, '--work-dir', work_dir, '--resume')),
        ],
    )


def _setting(cfg: Config, config: Path) -> Section:
    return Section(
        'Setting',
        [
            table(['', ''], [*_versions(cfg), ['seed', str(cfg.randomness.seed)]], text=(1,)),
            paragraph('The versions are those of this evaluation.', note=True),
            folded(f'Config: {config.name}', code(config.read_text(encoding='utf-8'))),
        ],
    )


def _versions(cfg: Config) -> Sequence[list[str]]:
    try:
        own = importlib.metadata.version('mila-toolkit')
    except importlib.metadata.PackageNotFoundError:  # used from a clone
        own = 'not installed'
    scope = cfg.get('default_scope', 'mmengine')
    names = dict.fromkeys([*_PACKAGES, scope])
    loaded = {name: sys.modules[name] for name in names if name in sys.modules}
    return [
        ['mila-toolkit', own],
        ['Python', platform.python_version()],
        *([name, str(getattr(module, '__version__', '–'))] for name, module in loaded.items()),
    ]
