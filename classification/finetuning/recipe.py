"""A whole config for images of one's own, from the config of a published recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..engine.configs.heads import set_num_classes
from ..engine.configs.loading import load_config
from ..engine.errors import UsageError, shorten_list
from ..engine.files.project import PROJECT
from .choices import Choices

# Kind -> head -> the recipe from which it takes everything that the data do not decide; the first
# head is the default.
TEMPLATES = {
    'classify': {'linear': 'classification/mila-t_finetune-384.py'},
    'detect': {
        'faster-rcnn': 'detection/faster-rcnn_mila-t_fpn_1x_coco.py',
        'retinanet': 'detection/retinanet_mila-t_fpn_1x_coco.py',
        'dino': 'detection/dino-4scale_mila-t_12e_coco.py',
    },
    'segment': {
        'mask-rcnn': 'detection/mask-rcnn_mila-t_fpn_1x_coco.py',
        'cascade-mask-rcnn': 'detection/cascade-mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py',
        'mask2former': 'detection/mask2former_mila-t_lsj-50e_coco.py',
    },
    'semantic': {
        'upernet': 'segmentation/upernet_mila-t_8xb2-160k_ade20k-512x512.py',
        'segformer': 'segmentation/segformer_mila-t_8xb2-160k_ade20k-512x512.py',
    },
}
_TEMPLATE_BACKBONE = 'mila-t'


@dataclass(frozen=True)
class OwnData:
    """The data of a fine-tuning, as `data.write_data` wrote them.

    Attributes:
        classes: their names.
        palette: an RGB colour for each.
        train, val: files that list the images by absolute paths, with their annotations.
    """

    classes: tuple[str, ...]
    palette: list[tuple[int, int, int]]
    train: Path
    val: Path


def backbones() -> list[str]:
    """Names of the backbones: those of configs/_base_/backbones."""
    return sorted(path.stem for path in (PROJECT / 'configs/_base_/backbones').glob('*.py'))


def released_weights(backbone: str) -> Path | None:
    """Where the configs expect the ImageNet weights of a backbone, None where it has none."""
    init_cfg = _backbone(backbone).backbone.get('init_cfg')
    return Path(init_cfg.checkpoint) if init_cfg else None


def find_template(kind: str, head: str | None) -> Path:
    """The config of a head's recipe, None for the first head of the kind.

    Raises:
        UsageError: there is no such head.
    """
    heads = TEMPLATES[kind]
    head = head or next(iter(heads))
    if head not in heads:
        raise UsageError(
            f'--head {head} is none for {kind}: there are {shorten_list(list(heads))}.'
        )
    return Path('configs', heads[head])


def compose(
    kind: str,
    head: str | None,
    backbone: str,
    weights: str | Path | None,
    data: OwnData,
    choices: Choices,
) -> Config:
    """The config of a fine-tuning.

    Args:
        kind: one of TEMPLATES.
        head: one of its heads, None for the first.
        backbone: one of `backbones()`.
        weights: a file of ImageNet weights or of any training with this backbone, None for
            random ones.
        data, choices: as they are called.

    Raises:
        UsageError: no such head or backbone.
    """
    cfg = load_config(find_template(kind, head))
    _use_backbone(cfg.model, backbone, weights)
    set_num_classes(cfg.model, len(data.classes))
    # The package of the task, which the template imports, knows its datasets and pipelines.
    task = import_module(f'{cfg.custom_imports.imports[0]}.finetuning')
    task.use_own_data(cfg, data, choices)
    _use_schedule(cfg, kind, choices)
    _drop_variables(cfg)
    return cfg


def _backbone(name: str) -> Config:
    path = PROJECT / f'configs/_base_/backbones/{name}.py'
    if not path.is_file():
        raise UsageError(f'No backbone is called {name}: there are {", ".join(backbones())}.')
    return Config.fromfile(path)


def _use_backbone(model: Any, name: str, weights: str | Path | None) -> None:
    """Put another backbone where the template has its own, and its widths where those are."""
    base, template = _backbone(name), _backbone(_TEMPLATE_BACKBONE)
    init_cfg = weights and dict(type='Pretrained', checkpoint=str(weights))
    if model.type == 'ImageClassifier':
        arch = base.backbone.get('arch')
        sizes = dict(arch) if isinstance(arch, Mapping) else {}
        model.model = dict(model.model, **sizes, name=_timm_name(base.backbone))
        model.init_cfg = init_cfg and dict(init_cfg, reset_head=True)
        return
    # What the head's recipe says of its backbone: stochastic depth and which maps it takes.
    kept = {n: v for n, v in model.backbone.items() if n not in template.backbone}
    model.backbone = dict(base.backbone, **kept, init_cfg=init_cfg)
    widths = dict(zip(template.widths, base.widths, strict=True))
    for name, part in model.items():
        if name not in ('backbone', 'data_preprocessor'):
            _replace_widths(part, widths)


def _replace_widths(part: Any, widths: dict[int, int]) -> None:
    """Replace the `in_channels` that are widths of the template's backbone, lists and numbers."""
    if isinstance(part, list | tuple):
        for item in part:
            _replace_widths(item, widths)
    elif isinstance(part, dict):
        channels: Any = part.get('in_channels')
        if isinstance(channels, list | tuple):
            part['in_channels'] = [widths.get(width, width) for width in channels]
        elif isinstance(part.get('in_index'), int):  # a head of one map
            part['in_channels'] = widths[channels]


def _timm_name(backbone: Any) -> str:
    """The name under which timm builds a backbone's model; sizes of its own begin as 'tiny'."""
    if 'name' in backbone:
        return backbone.name
    arch = backbone.arch if isinstance(backbone.arch, str) else 'tiny'
    return f'{backbone.type.lower()}_{arch}'


def _use_schedule(cfg: Config, kind: str, choices: Choices) -> None:
    """Rates, epochs, evaluations and checkpoints, alike for all kinds: warm-up, then a cosine."""
    wrapper = cfg.optim_wrapper
    wrapper.optimizer.lr *= choices.lr_factor
    wrapper.accumulative_counts = choices.accumulate
    if choices.amp:
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    cfg.auto_scale_lr = dict(enable=False, base_batch_size=choices.batch * choices.accumulate)
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.01, end=choices.warm_up, convert_to_iter_based=True),
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.01,
            end=choices.epochs,
            convert_to_iter_based=True,
        ),
    ]
    cfg.train_cfg = dict(
        type='EpochBasedTrainLoop', max_epochs=choices.epochs, val_interval=choices.val_interval
    )
    cfg.val_cfg, cfg.test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
    cfg.log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
    metric = cfg.default_hooks.checkpoint.save_best
    cfg.default_hooks.logger = dict(type='LoggerHook', interval=choices.log_interval)
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook',
        interval=choices.val_interval,
        max_keep_ckpts=1,
        save_best=metric,
        rule='greater',
    )
    hooks = [*cfg.get('custom_hooks', [])]
    if choices.ema_momentum:
        hooks.append(_ema(kind, choices))
    hooks.append(dict(type='EndWithoutProgress', metric=metric, evaluations=choices.patience))
    cfg.custom_hooks = hooks


def _drop_variables(cfg: Config) -> None:
    """Drop what the template only calls by a name, such as the pipelines of COCO: nothing reads it,
    and it would mislead whoever edits the config."""
    read = {*signature(Runner.__init__).parameters, 'custom_imports'}
    for name in set(cfg) - read:
        cfg.pop(name)


def _ema(kind: str, choices: Choices) -> dict[str, Any]:
    momentum = choices.ema_momentum or 0.0
    if kind == 'classify':
        images = choices.batch * choices.accumulate
        return dict(type='EMA', decay=1 - momentum, batch_size=images)
    # MMEngine's hook counts iterations.
    return dict(type='EMAHook', momentum=momentum / choices.accumulate)
