"""What a point attends to: against the N x N weights, and against what a token really reads."""

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F

from classification.engine.errors import UsageError
from classification.explanation.attention import attention_maps
from classification.models.ops.linear_attention import LinearAttention, attention_map
from tests.backbones import SIZE
from tests.backbones import build as build_dense
from tests.detectors import detector
from tests.small_models import SIZES, build

POINT = (70, 20)  # x, y
KINDS = {
    'mila': 'linear attention',
    'vmamba': 'selective scan',
    'study': "the study's linear attention",
}


def image(height=SIZE[0], width=SIZE[1]):
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('name', SIZES)
def test_every_model_is_read(name):
    maps = attention_maps(build(name), image(), POINT)
    assert [one.kind for one in maps] == [KINDS[name.split('_')[0]]] * 2
    assert [one.stage for one in maps] == [0, 1]
    assert [one.query for one in maps] == [(5, 17), (2, 8)]
    assert [one.weights.shape for one in maps] == [(16, 24), (8, 12)]
    assert all(one.weights.dtype == np.float32 and one.weights.any() for one in maps)


@pytest.mark.parametrize('size', [(64, 96), (33, 70)], ids=str)
def test_mila_is_read_as_by_all_weights(size):
    """The last block's row of the N x N weights, from what that block's attention got."""
    model = build('mila_tiny', depths=(2, 1))
    seen = {}
    for i, stage in enumerate(model.layers):
        stage.blocks[-1].attn.register_forward_pre_hook(
            lambda module, args, i=i: seen.update({i: (module, args)})
        )
    maps = attention_maps(model, image(*size), (60, 30))
    for one in maps:
        mixer, (x, _, table) = seen[one.stage]
        q, k = (F.elu(t) + 1 for t in mixer.qk(x).chunk(2, dim=-1))
        weights = attention_map(q, k, table, mixer.num_heads).mean(dim=1)
        row = weights[0, one.query[0] * x.shape[2] + one.query[1]].view(x.shape[1:3])
        np.testing.assert_allclose(one.weights, row.detach(), atol=1e-7)


def test_a_detector_s_backbone_is_read():
    model = detector()
    maps = attention_maps(model, image(), POINT)
    assert {one.kind for one in maps} == {'linear attention'}


def test_softmax_weights_sum_to_one_within_a_window():
    model = build_dense('Swin').eval()
    maps = attention_maps(model, image(64, 64), (40, 20))
    for one in maps:
        assert one.kind == 'window attention'
        assert one.weights.sum() == pytest.approx(1, abs=1e-5)
        assert one.weights[one.query] > 0
        assert (one.weights > 0).sum() <= 4  # tokens of a window


def test_a_shifted_window_is_rolled_back():
    """The values of the last block of two, whose windows are shifted, moved by hand."""
    model = timm.create_model(
        'swin_tiny_patch4_window7_224',
        **dict(embed_dim=8, num_heads=(1, 1), depths=(2, 2), window_size=4, num_classes=0),
        strict_img_size=False,
    ).eval()
    (first, _) = attention_maps(model, image(64, 64), (30, 30))
    # Token (7, 7) moves to (5, 5) by the shift of 2, in the window of rows and columns 4 to 7.
    assert first.query == (7, 7)
    rows, columns = np.nonzero(first.weights)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 9, 6, 9)


def test_vit_reads_the_softmax_of_its_scores():
    torch.manual_seed(0)
    model = timm.create_model('vit_tiny_patch16_224', depth=1, dynamic_img_size=True).eval()
    seen = []
    attn = model.blocks[0].attn
    attn.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    (one,) = attention_maps(model, image(), POINT)
    q, k, _ = attn.qkv(seen[0]).view(1, 25, 3, 3, 64).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-2, -1) / 8).softmax(dim=-1).mean(dim=1)
    assert one.query == (1, 4) and one.kind == 'softmax attention'
    np.testing.assert_allclose(one.weights, weights[0, 11, 1:].view(4, 6).detach(), atol=1e-7)


@pytest.mark.parametrize('kind', ['ConvNeXt', 'MambaOut', 'ResNet'])
def test_what_has_no_attention_says_gradient(kind):
    model = build_dense(kind).eval()
    maps = attention_maps(model, image(), POINT)
    assert {one.kind for one in maps} == {'gradient'}
    assert all(one.weights.min() >= 0 for one in maps)
    assert all(one.weights.sum() == pytest.approx(1, abs=1e-4) for one in maps)
    early = maps[0]
    at = np.unravel_index(early.weights.argmax(), early.weights.shape)
    assert np.abs(np.subtract(at, early.query)).max() <= 1


def test_vmamba_s_weights_are_those_of_its_result():
    """With the steps and gates held, the scan's result is the weights' sum of the values."""
    model = build('vmamba_tiny')
    mixer = model.layers[0].blocks[0].op.double()
    x = torch.randn(1, 5, 7, 8, dtype=torch.float64)
    values, params = mixer._values_and_params(x)
    query = (2, 3)
    weights = mixer.attention_map(x, query)
    steps = torch.zeros_like(values)
    for row in range(5):
        for column in range(7):
            steps[:] = 0
            steps[0, row, column] = 1
            read = mixer._scan_sequences(steps, params)[0, query[0], query[1]]
            if (row, column) == query:
                read = read - mixer.Ds.view(4, -1).sum(dim=0)
            torch.testing.assert_close(weights[row, column], read.mean())


@pytest.mark.parametrize('point', [(96, 10), (10, 64), (-1, 0)])
def test_a_point_beyond_the_image_is_refused(point):
    with pytest.raises(UsageError, match='not in the image of 96x64'):
        attention_maps(build('mila_tiny'), image(), point)


def test_a_model_without_stages_is_refused():
    with pytest.raises(UsageError, match='has no backbone'):
        attention_maps(torch.nn.Linear(3, 3), image(), POINT)


def test_the_mixer_is_called_where_blocks_run_in_chunks():
    """A hook on it has its effect, although the block would not call it for inference."""
    model = build('mila_tiny')
    calls = []
    mixer = next(m for m in model.modules() if isinstance(m, LinearAttention))
    with torch.no_grad():
        expected = model(image()[None])
        hook = mixer.register_forward_hook(lambda *args: calls.append(1))
        torch.testing.assert_close(model(image()[None]), expected, rtol=1e-4, atol=1e-5)
        hook.remove()
        model(image()[None])
    assert calls == [1]
