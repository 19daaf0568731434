"""Samples: what crosses the wall of a call whose content is kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from bursar.policies.sample import Sample, SampleError, Wanted, lot, sample_from_json, to_body, wanted_from_json

SAMPLE = Sample("a-1", "triage", 7, "claude-opus-5-5", "", '{"model": "claude-opus-5-5"}', "Yes é")


def test_a_sample_and_what_is_wanted_cross_the_wall_as_they_are() -> None:
    """Signs that are not ASCII are escaped on the way."""
    assert to_body(SAMPLE).isascii()
    assert sample_from_json(json.loads(to_body(SAMPLE))) == SAMPLE
    for wanted in (Wanted(None), Wanted(0), Wanted(2**31)):
        assert wanted_from_json(json.loads(to_body(wanted))) == wanted


@pytest.mark.parametrize(
    "changes",
    [{"route": 5}, {"at_ns": "now"}, {"at_ns": True}, {"at_ns": -1}, {"request": None}, {"answer": "\ud800"}],
)
def test_a_message_of_wrong_shapes_is_refused(changes: dict[str, Any]) -> None:
    """With the field that is wrong."""
    with pytest.raises(SampleError, match=next(iter(changes))):
        sample_from_json({**asdict(SAMPLE), **changes})


@pytest.mark.parametrize("told", [None, [], {"below": "7"}, {"below": -1}, {"below": True}])
def test_an_answer_of_wrong_shapes_is_refused(told: Any) -> None:
    """Nobody goes by what cannot be read."""
    with pytest.raises(SampleError):
        wanted_from_json(told)


def test_a_field_that_is_missing_is_told() -> None:
    """No default stands in for content."""
    told = asdict(SAMPLE)
    del told["model"]
    with pytest.raises(SampleError, match="model"):
        sample_from_json(told)


def test_lots_are_spread_evenly_and_stay() -> None:
    """Of ids that differ in a digit alone a quarter falls into each quarter: 250 of 1,000, give or take 5 sigma."""
    lots = [lot(f"h-{number}") for number in range(1_000)]
    quarters = [sum(q * 2**30 <= drawn < (q + 1) * 2**30 for drawn in lots) for q in range(4)]
    assert sum(quarters) == 1_000
    assert all(abs(count - 250) < 5 * 13.7 for count in quarters)
    assert lot("h-1") == lot("h-1") != lot("h-2")
