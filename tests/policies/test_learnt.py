"""Learnt: what answers and prompts were like, and when that is no word on what they are like now."""

from __future__ import annotations

from bursar.policies.estimate import Density
from bursar.policies.learnt import Outputs, Ratios


def taught(*tokens: int) -> Outputs:
    outputs = Outputs()
    for each in tokens:
        outputs.add(each)
    return outputs


USUAL = (100,) * 200


def test_three_surprises_in_twenty_make_it_wary_for_a_hundred() -> None:
    """Then the bound is gone by: more tokens than any request allows."""
    assert taught(*USUAL, 400, 400).quantile(0.95) == 107
    assert taught(*USUAL, 400, 400, 400).quantile(0.95) == Outputs.UNKNOWN
    assert taught(*USUAL, 400, 400, 400, *USUAL[:99]).quantile(0.5) == Outputs.UNKNOWN
    assert taught(*USUAL, 400, 400, 400, *USUAL[:100]).quantile(0.5) == 107


def test_surprises_far_apart_are_none() -> None:
    """Of ten in a thousand some are above what 99 in a hundred stay within."""
    assert taught(*USUAL, 400, *USUAL[:19], 400, *USUAL[:19], 400).quantile(0.5) == 107


def test_before_there_is_enough_nothing_surprises() -> None:
    """And nothing is said."""
    assert taught(*(10,) * 55, 400, 400, 400).quantile(0.95) is None


def test_ratios_are_of_whole_prompts() -> None:
    """Images and frames are in what was learnt: nothing comes on top. 0.5 is rounded up to 2^(72/8) thousandths."""
    ratios = Ratios()
    for _ in range(58):
        ratios.add(500, 1_000)
    assert not ratios.enough
    ratios.add(500, 1_000)
    assert (ratios.enough, ratios.density()) == (True, Density(0.512, whole=True))
