"""The operators as mmcv calls them, against results and gradients of the compiled mmcv 2.1.0."""

from pathlib import Path

import pytest
import torch

import classification  # noqa: F401  puts the operators in the place of mmcv._ext
from classification.mmcv_ops import ext

CASES = torch.load(Path(__file__).parents[2] / 'data/mmcv_ops.pth', weights_only=True)['cases']
# What is equal to the last bit is tested so; the others add up in another order than mmcv.
TOLERANCE = {'roi_align max': 1e-6, 'soft_nms': 1e-6, 'deform': 1e-6}


def names():
    for i, case in enumerate(CASES):
        yield f'{i}-{case["op"]}'


def operator(name):
    import mmcv.ops

    if name == 'multi_scale_deformable_attn_pytorch':
        return mmcv.ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch
    return getattr(mmcv.ops, name)


def run(case, inputs):
    """mmcv's operator, as a list of results; autograd functions take no names."""
    if case['op'] in ('roi_align', 'deform_conv2d', 'modulated_deform_conv2d'):
        outputs = operator(case['op'])(*inputs.values(), *case['kwargs'].values())
    else:
        outputs = operator(case['op'])(**inputs, **case['kwargs'])
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


def tolerance(case):
    name = f'{case["op"]} {case["kwargs"].get("pool_mode", "")}'
    return next((value for key, value in TOLERANCE.items() if key in name), 0)


def close(actual, expected, rtol):
    assert actual.shape == expected.shape
    scale = expected.abs().max().item() if expected.numel() else 0
    torch.testing.assert_close(actual, expected, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize('case', CASES, ids=names())
def test_compiled_mmcv(case):
    grads = case.get('grads', {})
    inputs = {
        name: value.clone().requires_grad_(name in grads) for name, value in case['inputs'].items()
    }
    outputs = run(case, inputs)
    for actual, expected in zip(outputs, case['outputs'], strict=True):
        close(actual, expected, tolerance(case))
    if grads:
        outputs[0].backward(case['cotangent'])
        for name, expected in grads.items():
            close(inputs[name].grad, expected, tolerance(case))


@pytest.mark.parametrize(
    'op', ['nms', 'roi_align', 'deform_conv2d', 'modulated_deform_conv2d', 'bbox_overlaps']
)
def test_bf16_under_autocast(op):
    """Of inputs in bf16 an operator gives what it gives of the same values in fp32."""
    case = next(case for case in CASES if case['op'] == op)
    low = {
        name: value.bfloat16() if value.is_floating_point() else value
        for name, value in case['inputs'].items()
    }
    with torch.autocast('cpu', torch.bfloat16):
        outputs = run(case, low)
    expected = run(case, {name: x.to(case['inputs'][name].dtype) for name, x in low.items()})
    for actual, reference in zip(outputs, expected, strict=True):
        assert torch.equal(actual, reference.to(actual.dtype))


def test_an_operator_that_is_not_here_says_so_when_it_is_called():
    with pytest.raises(NotImplementedError, match=r'box_iou_rotated .* compiled mmcv'):
        ext.box_iou_rotated(torch.zeros(1, 5), torch.zeros(1, 5))
    with pytest.raises(AttributeError):
        getattr(ext, '__wrapped__')  # noqa: B009


def test_report_of_the_environment():
    """MMEngine asks at the start of each run."""
    from mmengine.utils.dl_utils import collect_env

    assert collect_env()['MMEngine']
    assert ext.get_compiling_cuda_version() == str(torch.version.cuda or 'none')
    assert isinstance(ext.get_compiler_version(), str)


def test_every_operator_of_the_list_is_documented():
    text = (Path(__file__).parents[3] / 'docs/operators.md').read_text()
    missing = [name for name in ext.__all__ if f'`{name}`' not in text]
    assert not missing
