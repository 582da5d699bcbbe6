"""The switches as one value: spellings, equality, refusals."""

from dataclasses import FrozenInstanceError

import pytest

from classification.models.design import Design


@pytest.mark.parametrize('given', ['row', ['row'], ('row',)])
def test_one_order_or_a_list_is_a_tuple(given):
    assert Design(scan=given).scan == ('row',)
    assert Design(scan=given) == Design(scan='row')
    assert Design(pos=None).pos == ()


def test_designs_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Design().pos = ('cpe',)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(forget_gate=True), r"forget_gate=True .* combines with a scan, such as scan=\('row'"),
        (dict(block='mamba'), "block 'mamba' is none of"),
        (dict(pos=('rope', 'lope')), 'pos takes each of'),
        (dict(scan=('row', 'row')), 'scan takes each of .* at most once'),
        (dict(scan='diagonal'), 'scan takes each of'),
        (dict(reach=0), 'reach=0 is at least 1'),
        (dict(reach=2, scan='row'), r"does not combine with scan=\('row',\)"),
    ],
)
def test_bad_switches_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Design(**kwargs)
