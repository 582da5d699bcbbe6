"""Count a config's parameters and FLOPs, part by part, as the papers' tables do.

    python tools/complexity.py configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py
    python tools/complexity.py CONFIG --shape 512 2048 --json complexity.json

A FLOP is a multiply-add of a convolution or a matrix product, for one image in a test-time
forward; norms, activations, interpolation, RoIAlign and NMS are not counted. A two-stage detector
is counted with as many proposals as its test_cfg keeps, 100 of them with masks, as mmdet counts.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement, InstanceData
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

# Height and width of the image that the papers of each task count with.
SHAPES = {'mmdet': (800, 1280), 'mmseg': (512, 2048), 'mmengine': (224, 224)}


def complexity(cfg, shape=None):
    """Parameters and FLOPs of a config's model.

    Args:
        cfg: a Config with `model` and `default_scope`.
        shape: (height, width) of the image; None takes the one of the task's papers.

    Returns:
        dict(shape=[h, w], params=int, flops=int, parts={name: dict(params=int, flops=int)}).
    """
    scope = cfg.get('default_scope', 'mmengine')
    shape = shape or SHAPES[scope]
    # Fake tensors have shapes and no values: a second or two for any model, and no memory.
    with (
        DefaultScope.overwrite_default_scope(scope),
        FakeTensorMode(),
        torch.no_grad(),
        FlopCounterMode(display=False) as counter,
    ):
        model = MODELS.build(cfg.model).eval()
        _replace_valued_operators(model)
        inputs = torch.empty(1, 3, *shape)
        if scope == 'mmengine':
            model(inputs, mode='tensor')
        else:
            model(inputs, [BaseDataElement(metainfo=dict(img_shape=shape))], mode='tensor')
    counts = counter.get_flop_counts()
    parts = {
        name: dict(params=_params(part), flops=_flops(part, f'{type(model).__name__}.{name}', counts))
        for name, part in model.named_children()
    }
    return dict(
        shape=list(shape),
        params=_params(model),
        flops=counter.get_total_flops() // 2,
        parts={name: cost for name, cost in parts.items() if cost['params']},
    )


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


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('config', help='config file of any task')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='image size')
    parser.add_argument('--json', type=Path, help='also write the counts to this file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    if not Path(args.config).is_file():
        sys.exit(f'Config {args.config} does not exist: check the path.')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    result = complexity(cfg, args.shape)
    print(table(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
