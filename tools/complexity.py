"""Count a config's parameters and FLOPs, part by part, as the papers' tables do.

    python tools/complexity.py configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py
    python tools/complexity.py CONFIG --shape 512 2048 --json complexity.json

A FLOP is a multiply-add of a convolution or a matrix product, for one image in a test-time
forward; norms, activations, interpolation, RoIAlign and NMS are not counted. A two-stage detector
is counted with as many proposals as its test_cfg keeps, 100 of them with masks, as mmdet counts.
"""

import json
from pathlib import Path

import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement, InstanceData
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from classification.engine.cli import config_parser, errors_in_one_sentence
from classification.engine.config import load_config
from classification.engine.errors import UsageError

# Height and width of the image that the papers of each task count with.
SHAPES = {'mmdet': (800, 1280), 'mmseg': (512, 2048), 'mmengine': (224, 224)}


def complexity(cfg, shape=None):
    """Parameters and FLOPs of a config's model.

    Args:
        cfg: a Config with `model` and `default_scope`.
        shape: (height, width) of the image; None takes the one of the task's papers.

    Returns:
        dict(shape=[h, w], params=int, flops=int, parts={name: dict(params=int, flops=int)}).

    Raises:
        UsageError: the config has no model of a task known here, or the image is too small.
    """
    scope = task(cfg)
    shape = shape or SHAPES[scope]
    if min(shape) < 32:
        raise UsageError(f'An image of {shape[0]}x{shape[1]} is too small: give sides from 32 up.')
    # The model is built outside of `count`: many read values meanwhile (Swin's and MambaOut's
    # stochastic depth), which fake tensors do not have.
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg.model).eval()
        _replace_valued_operators(model)
        inputs = [torch.empty(1, 3, *shape)]
        if scope != 'mmengine':
            inputs.append([BaseDataElement(metainfo=dict(img_shape=shape))])
        counter = count(model, *inputs, mode='tensor')
    counts, root = counter.get_flop_counts(), type(model).__name__
    parts = {
        name: dict(params=_params(part), flops=_flops(part, f'{root}.{name}', counts))
        for name, part in model.named_children()
    }
    return dict(
        shape=list(shape),
        params=_params(model),
        flops=counter.get_total_flops() // 2,
        parts={name: cost for name, cost in parts.items() if cost['params']},
    )


def task(cfg):
    """The scope of a config that has a model: a key of SHAPES.

    Raises:
        UsageError: it has none, or one of a task not known here.
    """
    scope = cfg.get('default_scope')
    if scope not in SHAPES or 'model' not in cfg:
        raise UsageError(
            f'{cfg.filename} has no model, or a default_scope other than {", ".join(SHAPES)}: '
            'give a config that can be trained.'
        )
    return scope


def count(model, *inputs, **kwargs):
    """The FlopCounterMode of a model's call; it counts a multiply-add as two.

    Fake tensors have shapes and no values: a second or two for any image, and no memory.
    """
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), counter:
        model(*inputs, **kwargs)
    return counter


def _replace_valued_operators(model):
    """Let what depends on values, which fake tensors lack, return results of the full size."""
    for module in model.modules():
        if hasattr(module, 'roi_layers'):  # mmdet's RoI extractors

            def extract(maps, rois, module=module):
                size = module.roi_layers[0].output_size
                return maps[0].new_empty(len(rois), module.out_channels, *size)

            module.forward = extract
    if hasattr(model, 'roi_head'):

        def propose(*_, **__):
            return [InstanceData(bboxes=torch.empty(model.rpn_head.test_cfg.max_per_img, 4))]

        model.rpn_head.predict_by_feat = propose


def _params(module):
    return sum(p.numel() for p in module.parameters())


def _flops(module, name, counts):
    """Multiply-adds under `name`; heads are often run by methods, only their parts by a call."""
    if name in counts:
        return sum(counts[name].values()) // 2
    return sum(_flops(part, f'{name}.{key}', counts) for key, part in module.named_children())


def table(result):
    """The result as text, one line a part and the total."""
    rows = [*result['parts'].items(), ('total', result)]
    lines = [f'{"":<20}{"parameters":>12}{"FLOPs":>12}']
    for name, cost in rows:
        lines.append(f'{name:<20}{cost["params"] / 1e6:>10.3f} M{cost["flops"] / 1e9:>10.2f} G')
    height, width = result['shape']
    return '\n'.join([*lines, f'One image of {height}x{width} (height x width) pixels.'])


def parse_args(argv=None):
    parser = config_parser(__doc__)
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='image size')
    parser.add_argument('--json', type=Path, metavar='FILE.json', help='write the counts there too')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    with errors_in_one_sentence():
        result = complexity(load_config(args.config, args.cfg_options), args.shape)
        print(table(result))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(result, indent=2) + '\n')
    return result


if __name__ == '__main__':
    main()
