"""Write a classifier's weights for timm, for the official code or as safetensors.

    python tools/convert_weights.py CHECKPOINT --to timm --out mila_tiny.pth
    python tools/convert_weights.py work_dirs/mine/epoch_10.pth --to safetensors \\
        --out mine.safetensors --config CONFIG --metrics metrics.json

CHECKPOINT may be in any format that classification/engine/weights.py reads. The file fits its model
strictly or nothing is written: with --config the model of a config, with --name one of timm's, else
the one released size that the weights fit. Beside FILE goes a card, FILE.json: architecture, input,
the file's sha256, and the metrics only where they are given. --to timm and --to safetensors are for
`timm.create_model(NAME, num_classes=N, checkpoint_path=FILE)`.
"""

import argparse
import json
import os
import re
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from timm.data import DEFAULT_CROP_PCT, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

import classification  # noqa: F401  registers its models
from classification.engine.cli import errors_in_one_sentence
from classification.engine.config import load_config
from classification.engine.errors import CheckpointError, UsageError
from classification.engine.files import file_sha256
from classification.engine.loading import fit_weights, load_weights
from classification.engine.weights import read_weights
from classification.models.factory import create_model

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


def model_args(args, weights):
    """Arguments of create_model: from the config, the name or the shapes of the weights.

    Raises:
        UsageError: the config has no classifier, or the weights fit no released size.
    """
    if args.config:
        cfg = load_config(args.config)
        if cfg.get('model', {}).get('type') != 'ImageClassifier':
            raise UsageError(f'{args.config} has no ImageClassifier: only classifiers are written.')
        return dict(cfg.model.model)
    if args.name:
        return dict(name=args.name, num_classes=_empty_model(args.name, weights).num_classes)
    for name in (name for module in RELEASED for name in timm.list_models(module=module)):
        model = _empty_model(name, weights)
        try:
            fit_weights(weights, model)
        except CheckpointError:
            continue
        return dict(name=name, num_classes=model.num_classes)
    raise UsageError(
        f'{weights.source} fits no released size of {" or ".join(RELEASED)}: name the model by '
        '--name, or give the --config of its training.'
    )


def _empty_model(name, weights):
    """The model without memory, with as many classes as the weights have, or without a head."""
    with torch.device('meta'):
        try:
            model = create_model(name)
        except ValueError as error:
            raise UsageError(str(error)) from None
        head = model.default_cfg['classifier']
        head = re.escape(head if isinstance(head, str) else head[0])
        head = re.compile(rf'(^|\.){head}\.weight$')
        rows = [len(value) for key, value in weights.state_dict.items() if head.search(key)]
        model.reset_classifier(rows[0] if rows else 0)
    return model


def input_config(args, model):
    """Image size, normalisation and crop: of the config's test images, else of the model."""
    cfg = dict(model.default_cfg)
    if args.config:
        pipeline = load_config(args.config).test_dataloader.dataset.pipeline
        steps = [step for step in pipeline if step.type == 'TimmTransform']
        cfg |= DEFAULTS | (steps[0] if steps else {})
    size = args.input_size or cfg['input_size']
    size = list(size) if isinstance(size, (list, tuple)) else [3, size, size]
    return dict(input_size=size, **{key: cfg[key] for key in DEFAULTS})


def contents(model, target, size):
    """What the file holds: a dict of tensors, or for the official code one around it.

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


def write(out, content, card):
    """The weights and their card, each whole or not at all."""
    partial, card_partial = (out.with_name(f'.{out.name}{end}') for end in ('.partial', '.card'))
    try:
        if card['format'] == 'safetensors':
            metadata = dict(
                format='pt', architecture=card['architecture'], num_classes=str(card['num_classes'])
            )
            save_file({k: v.contiguous() for k, v in content.items()}, partial, metadata)
        else:
            torch.save(content, partial)
        text = json.dumps(dict(file=out.name, sha256=file_sha256(partial), **card), indent=2)
        card_partial.write_text(text + '\n')
        os.replace(partial, out)
        os.replace(card_partial, card_path(out))
    finally:
        partial.unlink(missing_ok=True)
        card_partial.unlink(missing_ok=True)


def card_path(out):
    return out.with_name(f'{out.name}.json')


def convert(args):
    """Read, check and write; the card.

    Raises:
        UsageError, CheckpointError: nothing was written.
    """
    if (args.to == 'safetensors') != (args.out.suffix == '.safetensors'):
        raise UsageError(f'--to {args.to} and {args.out} differ: timm tells the formats by suffix.')
    for path in (args.out, card_path(args.out)):
        if path.exists():
            raise UsageError(f'{path} exists and is not overwritten: remove it or change --out.')
    metrics = _read_metrics(args.metrics) if args.metrics else None
    weights = read_weights(args.checkpoint, ema=args.ema)
    arguments = model_args(args, weights)
    model = create_model(**arguments)
    load_weights(model, weights)
    image = input_config(args, model)
    card = dict(
        format=args.to,
        architecture=arguments.pop('name'),
        num_classes=model.num_classes,
        parameters=sum(p.numel() for p in model.parameters()),
        model_args={k: v for k, v in arguments.items() if k not in NOT_OF_THE_FILE},
        pretrained_cfg=image,
        ema=weights.is_ema,
        source=Path(args.checkpoint).name,
        metrics=metrics and of_the_set(metrics, weights.is_ema),
    )
    content = contents(model, args.to, image['input_size'][-1])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write(args.out, content, card)
    return card


def of_the_set(metrics, is_ema):
    """Of the metrics of both sets of weights those of the one that is written, by plain names."""
    averaged = {name.replace('ema_', ''): m for name, m in metrics.items() if 'ema_' in name}
    if is_ema and averaged:
        return averaged
    return {name: value for name, value in metrics.items() if 'ema_' not in name}


def _read_metrics(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f'{path} holds no metrics of tools/test.py --out: {error}') from None


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path or URL')
    parser.add_argument('--to', choices=['timm', 'official', 'safetensors'], required=True)
    parser.add_argument('--out', type=Path, metavar='FILE', required=True)
    model = parser.add_mutually_exclusive_group()
    model.add_argument('--name', help="a model of timm's, such as mila_tiny or study_rope")
    model.add_argument('--config', metavar='CONFIG', help='of the training: sizes and input')
    parser.add_argument(
        '--ema',
        action=argparse.BooleanOptionalAction,
        help='the averaged weights or those in training; default: averaged where there are any',
    )
    parser.add_argument('--input-size', type=int, metavar='N', help='side of the images, in pixels')
    parser.add_argument(
        '--metrics', type=Path, metavar='FILE.json', help='as measured by tools/test.py --out'
    )
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        card = convert(args)
        print(
            f'{args.out}: {card["architecture"]}, {card["parameters"] / 1e6:.1f} M parameters; '
            f'its card is {card_path(args.out)}'
        )


if __name__ == '__main__':
    main()
