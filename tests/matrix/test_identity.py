"""Whoever calls sees what it sees without Bursar, in good health and in every trouble."""

from __future__ import annotations

import pytest
from tests.matrix.case import Case
from tests.matrix.cases import CASES
from tests.matrix.conditions import CONDITIONS, WITHOUT, changes, sights
from tests.matrix.sight import differences

pytestmark = pytest.mark.xdist_group("matrix")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_caller_sees_what_it_sees_without_bursar(case: Case) -> None:
    """Values, exceptions, laziness, order, requests, releases, context, warnings, logs, threads: all the same."""
    assert [line for condition in CONDITIONS for line in changes(case, condition)] == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_wire_shows_one_header_that_any_middleware_brings(condition: str) -> None:
    """The SDK says `x-stainless-raw-response: raw` for every client with middleware, and ours is one."""
    found = sights()
    for name, seen in found[condition].items():
        bare = found[WITHOUT][name]["raw headers"]
        assert seen["raw headers"] == ["stream" if header == "stream" else "raw" for header in bare], name


def test_no_request_carries_an_idempotency_key() -> None:
    """The key that knows its call stays inside."""
    for condition in CONDITIONS:
        for name, seen in sights()[condition].items():
            headers = {header for request in seen["requests"] for header, _ in request[2]}
            assert "idempotency-key" not in headers, name


def test_a_difference_is_seen() -> None:
    """Of values, of their types, of lengths and of names, each with the place where it is."""
    assert differences({"a": [1, "x"]}, {"a": [1, "x"]}) == []
    assert differences({"a": [1, "x"]}, {"a": [1, "y"]}) == ["/a/1: 'x' became 'y'"]
    assert differences({"a": [1]}, {"a": [1.0]}) == ["/a/0: 1 became 1.0"]
    assert differences([1], [1, 2]) == [": [1] became [1, 2]"]
    assert differences({"a": 1}, {"b": 1}) == [": {'a': 1} became {'b': 1}"]
