"""Every fast form against the formula token by token: outputs and the gradients of all inputs."""

import itertools

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from classification.models.ops import unified
from classification.models.ops.linear_attention import linear_attention
from classification.models.ops.rotary import rotary_table, rotate
from classification.models.ops.unified import (
    ForgetGate,
    gated,
    naive_unified_attention,
    neighbourhood,
    unified_attention,
)

TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
SHAPES = [(1, 1, 1, 1, 1), (2, 3, 7, 4, 5), (1, 2, 70, 3, 2), (2, 1, 130, 2, 6)]  # B heads N d e


def make_inputs(shape, dtype, gate, switches=('delta', 'D', 'x', 'rotated')):
    torch.manual_seed(0)
    b, heads, n, d, e = shape
    inputs = dict(
        q=torch.rand(b, heads, n, d) + 0.1,
        k=torch.rand(b, heads, n, d) + 0.1,
        v=torch.randn(b, heads, n, e),
        delta=torch.rand(b, heads, n, e),
        D=torch.randn(heads, 1, e),
        x=torch.randn(b, heads, n, e),
        q_rotated=torch.randn(b, heads, n, d),
        k_rotated=torch.randn(b, heads, n, d),
        step=torch.rand(b, heads, n, e),
        rate=torch.rand(heads, d, e) * torch.logspace(-3, 1, d)[:, None],
        full=torch.rand(b, heads, n, d, e),
        keys=torch.rand(b, heads, n, d, 1),
        head=torch.rand(heads, 1, 1, 1),
    )
    wanted = {'q', 'k', 'v', *{'factors': ('step', 'rate'), None: ()}.get(gate, (gate,))}
    wanted |= set(switches) | ({'q_rotated', 'k_rotated'} if 'rotated' in switches else set())
    return {k: v.to(dtype).requires_grad_() for k, v in inputs.items() if k in wanted}


def call(function, inputs, **options):
    a = ForgetGate(inputs['step'], inputs['rate']) if 'step' in inputs else None
    for gate in {'full', 'keys', 'head'} & inputs.keys():
        a = inputs[gate]
    rotated = (inputs['q_rotated'], inputs['k_rotated']) if 'q_rotated' in inputs else None
    plain = {k: inputs[k] for k in ('q', 'k', 'v', 'delta', 'D', 'x') if k in inputs}
    return function(**plain, a=a, rotated=rotated, **options)


def assert_same(got, expected, inputs, dtype):
    assert got.shape == expected.shape and got.dtype == dtype
    upstream = torch.randn_like(expected)
    got_grads, expected_grads = (
        torch.autograd.grad(y, list(inputs.values()), upstream, allow_unused=True)
        for y in (got, expected)
    )
    names = ('the output', *(f'the gradient of {name}' for name in inputs))
    for name, x, y in zip(names, (got, *got_grads), (expected, *expected_grads), strict=True):
        if y is None or x is None:
            assert y is None and x is None, name
            continue
        error = (x - y).abs().max() / y.abs().max().clamp(min=1)
        assert error <= TOLERANCE[dtype], f'{name} is off by {error}'


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(unified, 'CHUNK', 16)
    monkeypatch.setattr(unified, 'GATED_NUMBERS', {'cpu': 1})  # the least: one block


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('normalise', [True, False], ids=['normalised', 'plain'])
@pytest.mark.parametrize('gate', [None, 'factors', 'full', 'keys', 'head'])
@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_causal_forms_are_the_naive_one(shape, gate, normalise, dtype):
    inputs = make_inputs(shape, dtype, gate)
    expected = call(naive_unified_attention, inputs, normalise=normalise)
    got = call(unified_attention, inputs, normalise=normalise, causal=True)
    assert_same(got, expected, inputs, dtype)


@pytest.mark.parametrize('switch', ['delta', 'D', 'x', 'rotated'])
@pytest.mark.parametrize('gate', [None, 'factors'])
def test_switches_one_at_a_time(switch, gate):
    switches = ('D', 'x') if switch == 'x' else (switch,)
    inputs = make_inputs((2, 2, 40, 3, 4), torch.float64, gate, switches)
    got = call(unified_attention, inputs, causal=True)
    assert_same(got, call(naive_unified_attention, inputs), inputs, torch.float64)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('normalise', [True, False], ids=['normalised', 'plain'])
@pytest.mark.parametrize('shape', [(1, 1, 1, 1, 1), (2, 3, 7, 4, 5), (1, 2, 17, 5, 2)], ids=str)
def test_parallel_form_is_the_naive_one_read_after_the_last_token(shape, normalise, dtype):
    inputs = make_inputs(shape, dtype, None)
    n = shape[2]
    of_tokens = [name for name in inputs if name != 'D']
    rows = []
    for i in range(n):  # S_N and Z_N have no order: bring token i to the end, and read there
        order = [j for j in range(n) if j != i] + [i]
        moved = {**inputs, **{name: inputs[name][:, :, order] for name in of_tokens}}
        rows.append(call(naive_unified_attention, moved, normalise=normalise)[:, :, -1])
    got = call(unified_attention, inputs, normalise=normalise)
    assert_same(got, torch.stack(rows, dim=2), inputs, dtype)


@pytest.mark.parametrize('normalise', [True, False], ids=['normalised', 'plain'])
@pytest.mark.parametrize('height, width, reach', [(1, 1, 1), (4, 7, 1), (5, 3, 2), (2, 6, 9)])
def test_local_form_is_the_parallel_one_of_each_neighbourhood(height, width, reach, normalise):
    torch.manual_seed(0)
    q, k = torch.rand(2, 2, 3, height * width, 4, dtype=torch.float64)
    v = torch.randn(2, 3, height * width, 5, dtype=torch.float64)
    near = neighbourhood(height, width, reach, like=q)
    y = unified_attention(q, k, v, normalise=normalise, near=near)
    for i, (row, column) in enumerate(itertools.product(range(height), range(width))):
        read = [
            r * width + c
            for r in range(max(0, row - reach), min(height, row + reach + 1))
            for c in range(max(0, column - reach), min(width, column + reach + 1))
        ]
        one = unified_attention(
            q[:, :, [i]].expand(-1, -1, len(read), -1),
            k[:, :, read],
            v[:, :, read],
            normalise=normalise,
        )
        torch.testing.assert_close(y[:, :, i], one[:, :, 0])


def test_forget_gate_of_1_changes_nothing():
    inputs = make_inputs((2, 2, 70, 3, 4), torch.float64, 'factors')
    with torch.no_grad():
        inputs['step'].zero_()
    gated = call(unified_attention, inputs, causal=True)
    del inputs['step']
    assert (gated - call(unified_attention, inputs, causal=True)).abs().max() < 1e-12


def test_forget_gate_of_0_reads_its_own_token_alone():
    inputs = make_inputs((2, 2, 70, 3, 4), torch.float64, 'full', ())
    with torch.no_grad():
        inputs['full'].zero_()
    got = call(unified_attention, inputs, causal=True, normalise=False)
    q, k, v = (inputs[name] for name in 'qkv')
    assert torch.allclose(got, (q * k).sum(-1, keepdim=True) * v)


@pytest.mark.parametrize('tokens', [4096, 65536])
def test_long_sequences_with_decays_from_1_to_near_0(tokens, monkeypatch):
    monkeypatch.setattr(unified, 'GATED_NUMBERS', {'cpu': 2**16})
    torch.manual_seed(0)
    q, k, v = (torch.rand(1, 2, tokens, 4, dtype=torch.float64) for _ in range(3))
    step = torch.rand(1, 2, tokens, 4, dtype=torch.float64)
    rate = torch.tensor([0, 1e-4, 1e-2, 100], dtype=torch.float64)[:, None].repeat(2, 1, 4)

    def run(dtype):
        inputs = [x.to(dtype).requires_grad_() for x in (q, k, v, step, rate)]
        y = unified_attention(*inputs[:3], a=ForgetGate(*inputs[3:]), causal=True)
        upstream = torch.linspace(-1, 1, tokens, dtype=dtype)[:, None].expand_as(y)
        return [y, *torch.autograd.grad(y, inputs, upstream)]

    exact = run(torch.float64)
    for single, double in zip(run(torch.float32), exact, strict=True):
        error = (single - double).abs().max() / double.abs().max()
        assert error < 1e-4
    if tokens < 10000:
        with torch.no_grad():
            expected = naive_unified_attention(q, k, v, a=ForgetGate(step, rate))
        assert (exact[0] - expected).abs().max() < 1e-11


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of the tensors made under it that are still held."""

    def __init__(self):
        super().__init__()
        self.storages = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(out):
            storage = tensor.untyped_storage()
            self.storages.append((StorageWeakRef(storage), storage.data_ptr(), storage.nbytes()))
        return out

    def held(self):
        return sum({p: size for ref, p, size in self.storages if not ref.expired()}.values())


def test_states_are_not_kept_for_the_backward_pass(monkeypatch):
    monkeypatch.setattr(unified, 'GATED_NUMBERS', {'cpu': 2**17})
    heads, n, d, e = 2, 4096, 32, 16
    q, k = (torch.rand(1, heads, n, d, requires_grad=True) for _ in range(2))
    v, step = (torch.rand(1, heads, n, e, requires_grad=True) for _ in range(2))
    rate = torch.rand(heads, d, e, requires_grad=True)
    with LiveMemory() as memory:
        y = gated(q, k, v, ForgetGate(step, rate))
    arguments_and_result = 4 * (q.numel() + k.numel() + v.numel() + step.numel() + y.numel())
    states = 4 * heads * n * d * e
    assert arguments_and_result <= memory.held() < 1.2 * arguments_and_result < states / 3


def test_mambas_selective_state_space_model_is_five_switches():
    """h_i = Ã_i ⊙ h_{i-1} + B_i (Δ_i ⊙ x_i), y_i = C_i h_i + D ⊙ x_i, with one head."""
    torch.manual_seed(0)
    batch, n, d, channels = 2, 45, 6, 10
    x, step = torch.randn(batch, n, channels), torch.rand(batch, n, channels)
    B, C = torch.randn(2, batch, n, d)
    A, D = -torch.rand(d, channels), torch.randn(channels)
    x, step, B, C, A, D = inputs = [t.double().requires_grad_() for t in (x, step, B, C, A, D)]

    h = torch.zeros(batch, d, channels, dtype=torch.float64)
    y = []
    for i in range(n):
        gate = torch.exp(step[:, i, None, :] * A)
        h = gate * h + B[:, i, :, None] * (step[:, i] * x[:, i])[:, None, :]
        y.append((C[:, i, None, :] @ h)[:, 0] + D * x[:, i])
    expected = torch.stack(y, dim=1)

    q, k, v, delta = (t[:, None] for t in (C, B, x, step))
    switches = dict(delta=delta, a=ForgetGate(delta, -A[None]), D=D, normalise=False)
    assert (naive_unified_attention(q, k, v, **switches)[:, 0] - expected).abs().max() < 1e-12
    got = unified_attention(q, k, v, **switches, causal=True)[:, 0]
    assert_same(got, expected, dict(enumerate(inputs)), torch.float64)


def test_milas_linear_attention_is_the_formula_with_rotary_positions():
    torch.manual_seed(0)
    height, width, channels, heads = 5, 3, 8, 2
    q, k = torch.rand(2, 2, height, width, channels, dtype=torch.float64) + 0.1
    v = torch.randn(2, height, width, channels, dtype=torch.float64)
    table = rotary_table(height, width, channels, 'cpu', torch.float64)

    def split(x):
        return x.flatten(1, 2).unflatten(-1, (heads, -1)).transpose(1, 2)

    got = unified_attention(
        split(q),
        split(k),
        split(v),
        rotated=(split(rotate(q, table)), split(rotate(k, table))),
    )
    expected = linear_attention(q, k, v, table, heads)
    assert (got - split(expected)).abs().max() < 1e-12


def test_forget_gate_without_an_order_is_refused():
    q = torch.rand(1, 1, 4, 2)
    with pytest.raises(ValueError, match='combines with the causal form only'):
        unified_attention(q, q, q, a=q[..., None])
