"""The recurrence in graphs against the loop over the tokens."""

import pytest
import torch

from classification.models.ops.graph_scan import recurrence_by_doubling
from classification.models.ops.scan import linear_recurrence, naive_linear_recurrence


def numbers(m, n, inner):
    generator = torch.Generator().manual_seed(n)
    a = torch.rand(m, n, inner, generator=generator, dtype=torch.float64)
    b = torch.randn(m, n, inner, generator=generator, dtype=torch.float64)
    return a, b, torch.randn(m, inner, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize('n', [1, 2, 31, 32, 33, 64, 1024, 1025, 1100])
def test_doubling_equals_the_loop(n):
    a, b, initial = numbers(2, n, 3)
    expected = naive_linear_recurrence(a, b, 1, initial)
    torch.testing.assert_close(recurrence_by_doubling(a, b, initial), expected)


class Recurrence(torch.nn.Module):
    """`linear_recurrence` as a module, to be exported."""

    def forward(self, a, b, initial):
        return linear_recurrence(a, b, 1, initial)


def test_exported_scan_equals_the_loop():
    lengths = tuple({1: torch.export.Dim.DYNAMIC} for _ in range(2))
    program = torch.export.export(
        Recurrence(), numbers(2, 5, 3), dynamic_shapes=(*lengths, None), strict=False
    )
    for n in (2, 40):
        a, b, initial = numbers(2, n, 3)
        expected = naive_linear_recurrence(a, b, 1, initial)
        torch.testing.assert_close(program.module()(a, b, initial), expected)


@pytest.mark.filterwarnings('ignore')  # the tracer is deprecated, and says so
def test_traced_recurrence_holds_for_other_lengths():
    traced = torch.jit.trace(Recurrence(), numbers(2, 5, 3), check_trace=False)
    assert 'mila::' not in str(traced.inlined_graph)
    for n in (1, 40, 1100):
        a, b, initial = numbers(2, n, 3)
        expected = naive_linear_recurrence(a, b, 1, initial)
        torch.testing.assert_close(traced(a, b, initial), expected)
