"""Every way of calling: what is charged, on what basis, and what the spans say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.matrix.case import SDK_TRACES, Case
from tests.matrix.cases import CASES, EVERY_CASE
from tests.matrix.conditions import unwatched
from tests.matrix.measuring import measure

pytestmark = pytest.mark.xdist_group("matrix")
TRACING = [True, False] if SDK_TRACES else [False]


@pytest.mark.parametrize("traced", TRACING, ids=["sdk_span" if traced else "own_span" for traced in TRACING])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_billed_attempt_is_charged_once_and_each_call_has_one_span(case: Case, traced: bool) -> None:
    """Charges with cost and basis out of the journal; spans with tokens, cost and failure; requests on the wire."""
    seen = measure(case, traced=traced)
    spans = case.spans if traced or case.own_spans is None else case.own_spans
    assert in_any_order(seen.charges) == in_any_order(case.charges)
    assert in_any_order(seen.spans) == in_any_order(spans)
    assert (seen.requests, seen.sent) == (case.requests, seen.billable + case.unsent)
    assert seen.elsewhere_nano in (0, case.elsewhere_nano)
    assert seen.open_spans == (1 if case.keeps else 0)
    assert set(seen.owners) <= {case.owner or ("sdk" if traced else "bursar")}
    assert not case.parent or set(seen.parents) == {case.parent}


def test_charges_need_no_tracer_provider() -> None:
    """Money does not hang on traces: where nobody records any, the charges are the same."""
    found = unwatched()
    for case in CASES:
        assert in_any_order(found[case.name]) == in_any_order(case.charges), case.name


def test_a_name_belongs_to_one_case() -> None:
    """The table's rows can be told apart."""
    names = [case.name for case in EVERY_CASE]
    assert len(set(names)) == len(names)


def in_any_order(found: Iterable[object]) -> list[str]:
    """Calls may run at once."""
    return sorted(map(repr, found))
