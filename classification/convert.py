"""Write a classifier's weights for timm, for the official code or as safetensors, with a card."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from mmengine.config import Config
from safetensors.torch import save_file
from timm.data import DEFAULT_CROP_PCT, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from .engine.configs.loading import load_config
from .engine.errors import CheckpointError, UsageError
from .engine.files.atomic import atomic, file_sha256
from .engine.weights.formats import Weights, read_weights
from .engine.weights.loading import fit_weights, load_weights
from .models.factory import TimmModule, create_model

FORMATS = ('timm', 'official', 'safetensors')
# Released sizes; the study's rows are left out, several of which have the same parameters.
RELEASED = ('mila', 'vmamba')
# What create_model takes and the weights do not depend on, or the card says elsewhere.
NOT_OF_THE_FILE = ('num_classes', 'drop_rate', 'drop_path_rate')
# Of timm's transforms, where a config leaves them out.
DEFAULTS = dict(
    mean=IMAGENET_DEFAULT_MEAN,
    std=IMAGENET_DEFAULT_STD,
    interpolation='bilinear',
    crop_pct=DEFAULT_CROP_PCT,
)


def convert(
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    target: str,
    name: str | None = None,
    config: str | os.PathLike | None = None,
    ema: bool | None = None,
    input_size: int | None = None,
    metrics: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Read, check and write a checkpoint; the file fits its model strictly or nothing is written.

    Args:
        checkpoint: path or URL, in any format that `engine.weights` reads.
        out: the file to write; a card, `card_path(out)`, goes beside it.
        target: one of FORMATS.
        name: of the model in timm; None takes the config's, else the one released size that fits.
        config: path of the training's config, for the model and its test images.
        ema: the EMA weights or those in training; None prefers EMA weights.
        input_size: side of the images in pixels, other than the config's or the model's.
        metrics: file that tools/test.py --out wrote.

    Returns:
        The card: architecture, input, and what else is known of the file.

    Raises:
        UsageError, CheckpointError: nothing was written.
    """
    out = Path(out)
    if (target == 'safetensors') != (out.suffix == '.safetensors'):
        raise UsageError(f'--to {target} and {out} differ: timm tells the formats by suffix.')
    for path in (out, card_path(out)):
        if path.exists():
            raise UsageError(f'{path} exists and is not overwritten: remove it or change --out.')
    values = _read_metrics(metrics) if metrics else None
    weights = read_weights(checkpoint, ema=ema)
    cfg = load_config(config) if config else None
    arguments = model_args(weights, name, cfg)
    model = create_model(**arguments)
    load_weights(model, weights)
    image = input_config(model, cfg, input_size)
    card = dict(
        format=target,
        architecture=arguments.pop('name'),
        num_classes=model.num_classes,
        parameters=sum(p.numel() for p in model.parameters()),
        model_args={k: v for k, v in arguments.items() if k not in NOT_OF_THE_FILE},
        pretrained_cfg=image,
        ema=weights.is_ema,
        source=Path(checkpoint).name,
        metrics=values and select_metrics(values, weights.is_ema),
    )
    _write(out, contents(model, target, image['input_size'][-1]), card)
    return card


def card_path(out: Path) -> Path:
    """Path of the card of a written file."""
    return out.with_name(f'{out.name}.json')


def model_args(weights: Weights, name: str | None = None, cfg: Config | None = None) -> dict:
    """Arguments of create_model: from the config, the name or the shapes of the weights.

    Raises:
        UsageError: the config has no classifier, or the weights fit no released size.
    """
    if cfg is not None:
        if cfg.get('model', {}).get('type') != 'ImageClassifier':
            raise UsageError(
                f'{cfg.filename} has no ImageClassifier: only classifiers are written.'
            )
        return dict(cfg.model.model)
    if name:
        return dict(name=name, num_classes=_empty_model(name, weights).num_classes)
    for released in (name for module in RELEASED for name in timm.list_models(module=module)):
        model = _empty_model(released, weights)
        try:
            fit_weights(weights, model)
        except CheckpointError:
            continue
        return dict(name=released, num_classes=model.num_classes)
    raise UsageError(
        f'{weights.source} fits no released size of {" or ".join(RELEASED)}: name the model by '
        '--name, or give the --config of its training.'
    )


def _empty_model(name: str, weights: Weights) -> TimmModule:
    """The model without memory, with as many classes as the weights have, or without a head."""
    with torch.device('meta'):
        try:
            model = create_model(name)
        except ValueError as error:
            raise UsageError(str(error)) from None
        heads = model.default_cfg['classifier']
        name = re.escape(heads if isinstance(heads, str) else heads[0])
        head = re.compile(rf'(^|\.){name}\.weight$')
        rows = [len(value) for key, value in weights.state_dict.items() if head.search(key)]
        model.reset_classifier(rows[0] if rows else 0)
    return model


def input_config(
    model: TimmModule, cfg: Config | None = None, input_size: int | None = None
) -> dict[str, Any]:
    """Image size, normalisation and crop: of the config's test images, else of the model."""
    values = dict(model.default_cfg)
    if cfg is not None:
        pipeline = cfg.test_dataloader.dataset.pipeline
        steps = [step for step in pipeline if step.type == 'TimmTransform']
        values |= DEFAULTS | (steps[0] if steps else {})
    size = input_size or values['input_size']
    size = list(size) if isinstance(size, (list, tuple)) else [3, size, size]
    return dict(input_size=size, **{key: values[key] for key in DEFAULTS})


def contents(model: TimmModule, target: str, size: int) -> dict[str, Any]:
    """What the file holds: a dict of tensors, or for the official code one around it.

    Args:
        model: with its weights.
        target: one of FORMATS.
        size: side of the images in pixels, which the official code's rotary tables are for.

    Raises:
        UsageError: there is no official code for the model, or it does not take this size.
    """
    if target != 'official':
        return dict(model.state_dict())
    if not hasattr(model, 'released_state_dict'):
        raise UsageError(f'{type(model).__name__} has no official format: write it --to timm.')
    try:
        return dict(model=model.released_state_dict(size))
    except ValueError as error:
        raise UsageError(f'--input-size does not fit: {error}') from None


def _write(out: Path, content: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    """The weights and their card, each whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(card_path(out)) as card_file, atomic(out) as file:
        if card['format'] == 'safetensors':
            metadata = dict(
                format='pt', architecture=card['architecture'], num_classes=str(card['num_classes'])
            )
            save_file({k: v.contiguous() for k, v in content.items()}, file, metadata)
        else:
            torch.save(content, file)
        card_file.touch()
        file.chmod(card_file.stat().st_mode)  # safetensors writes for the owner alone
        text = json.dumps(dict(file=out.name, sha256=file_sha256(file), **card), indent=2)
        card_file.write_text(text + '\n')


def select_metrics(metrics: Mapping[str, float], is_ema: bool) -> dict[str, float]:
    """Of the metrics of EMA weights and weights in training, those of one set, by plain names."""
    averaged = {name.replace('ema_', ''): m for name, m in metrics.items() if 'ema_' in name}
    if is_ema and averaged:
        return averaged
    return {name: value for name, value in metrics.items() if 'ema_' not in name}


def _read_metrics(path: str | os.PathLike) -> dict[str, float]:
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f'{path} holds no metrics of tools/test.py --out: {error}') from None
