"""Claims about comparing: each difference gets the name of its cause, and only real ones fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import pytest

from bursar.agent.bill.comparison import Finding, Row, Tolerance, compare
from bursar.agent.bill.statement import Billed, Used
from bursar.agent.ledger.daybook import WHOLE, Entry

DAY = date(1970, 1, 3)
OPUS = "claude-opus-5-5"
CENT = 10**7


def entry(
    label: str,
    quantity: int,
    nano: int,
    *,
    model: str = OPUS,
    requested: str | None = None,
    linked: bool = False,
    priority: bool = False,
    estimated: bool = False,
    fresh: bool = False,
    unknown: int = 0,
    workspace: str = "",
) -> Entry:
    asked = requested or model
    return Entry(2, model, asked, label, linked, priority, estimated, fresh, workspace, quantity, nano, unknown)


def used(*, priority: bool = False, workspace: str = "default", model: str = OPUS, **quantities: int) -> Used:
    return Used(DAY, model, workspace, priority, quantities)


def billed(cents: int, kind: str = "tokens", model: str = OPUS) -> Billed:
    return Billed(DAY, kind, model if kind == "tokens" else "", "default", Fraction(cents * CENT))


def compared(
    entries: Sequence[Entry], uses: Sequence[Used], bills: Sequence[Billed], *, tolerance: Tolerance | None = None
) -> list[Row]:
    return compare(entries, uses, bills, tolerance=tolerance or Tolerance(nano=CENT))


OUTPUT = entry("output", 100, 50 * CENT)
CASES: list[tuple[str, list[Entry], list[Used], list[Billed], Finding, str]] = [
    ("the same", [OUTPUT], [used(output=100)], [billed(50)], Finding.AGREES, ""),
    ("a cent apart", [OUTPUT], [used(output=102)], [billed(51)], Finding.AGREES, ""),
    (
        "a call that did not pass Bursar",
        [OUTPUT],
        [used(output=150, input=7, workspace="wrkspc_9")],
        [billed(75)],
        Finding.BYPASSED,
        "57 tokens did not pass Bursar (workspace wrkspc_9)",
    ),
    ("no call passed", [], [used(output=1)], [billed(5)], Finding.BYPASSED, "1 tokens did not pass Bursar"),
    ("dearer than the price file", [OUTPUT], [used(output=100)], [billed(60)], Finding.PRICE, "billed dearer"),
    ("a discount", [OUTPUT], [used(output=100)], [billed(40)], Finding.PRICE, "Write it as `multiply`"),
    (
        "a model without a price",
        [entry("output", 100, 0), entry(WHOLE, 0, 0, unknown=3)],
        [used(output=100)],
        [billed(60)],
        Finding.UNPRICED,
        "3 charges have no price",
    ),
    (
        "calls of this minute",
        [OUTPUT, entry("output", 10, 5 * CENT, fresh=True)],
        [used(output=100)],
        [billed(50)],
        Finding.TOO_FRESH,
        "0.05 USD of the last minutes",
    ),
    (
        "more than the last minutes can explain",
        [entry("output", 200, 100 * CENT), entry("output", 10, 5 * CENT, fresh=True)],
        [used(output=100)],
        [billed(50)],
        Finding.NOT_BILLED,
        "110 tokens are not on this bill: another organisation's key?",
    ),
    (
        "bounds",
        [OUTPUT, entry("output", 100, 30 * CENT, estimated=True)],
        [used(output=100)],
        [billed(50)],
        Finding.NOT_BILLED,
        "0.30 USD are bounds of calls that nobody saw end",
    ),
    (
        "linked billing",
        [entry("output", 100, 0, linked=True)],
        [],
        [],
        Finding.ELSEWHERE,
        "a linked organisation's, bill has it",
    ),
    (
        "Bedrock",
        [entry("output", 100, 50 * CENT, requested="eu.anthropic.claude-opus-5-5-v1:0")],
        [],
        [],
        Finding.ELSEWHERE,
        "a cloud's",
    ),
    (
        "the priority tier",
        [entry("output", 100, 50 * CENT, priority=True)],
        [used(priority=True, output=130)],
        [],
        Finding.PRIORITY,
        "30 tokens of it did not pass Bursar",
    ),
]


@pytest.mark.parametrize(("name", "entries", "uses", "bills", "finding", "said"), CASES, ids=[c[0] for c in CASES])
def test_findings(
    name: str, entries: list[Entry], uses: list[Used], bills: list[Billed], finding: Finding, said: str
) -> None:
    """One day and model, one cause."""
    (row,) = compared(entries, uses, bills)
    assert row.finding is finding
    assert said in row.said
    harmless = (Finding.AGREES, Finding.TOO_FRESH, Finding.ELSEWHERE, Finding.PRIORITY)
    assert row.fails == (finding not in harmless)


def test_code_execution_is_no_model_s() -> None:
    """What no response can tell is named, with its whole amount as the gap."""
    (tokens, container) = compared([OUTPUT], [used(output=100)], [billed(50), billed(30, "code_execution")])
    assert (tokens.finding, tokens.what) == (Finding.AGREES, OPUS)
    assert (container.finding, container.what) == (Finding.NO_METER, "code_execution")
    assert container.gap == 30 * CENT
    assert container.fails


def test_searches_are_compared_by_day() -> None:
    """The bill has them without a model, the ledger at each call: ten cents for ten, one missing."""
    lines = [entry("web_search", 6, 6 * CENT), entry("web_search", 3, 3 * CENT, model="claude-sonnet-5-5")]
    (row,) = compared(lines, [used(web_search=12)], [billed(12, "web_search")])
    assert (row.what, row.finding) == ("web_search", Finding.BYPASSED)
    assert row.gap == 3 * CENT
    assert row.said.startswith("3 web searches did not pass Bursar")


def test_one_model_has_one_name() -> None:
    """The bill writes dates and the ledger may not: they are one model."""
    lines = [entry("output", 1, 50 * CENT, model="claude-sonnet-4-5")]
    named = "claude-sonnet-4-5-20250929"
    (row,) = compared(lines, [used(model=named, output=1)], [billed(50, model=named)])
    assert (row.what, row.finding) == ("claude-sonnet-4-5", Finding.AGREES)


@pytest.mark.parametrize(
    ("tolerance", "fails"),
    [(Tolerance(share=Fraction(2, 100)), False), (Tolerance(share=Fraction(1, 100)), True), (Tolerance(), True)],
)
def test_a_share_may_be_allowed(tolerance: Tolerance, fails: bool) -> None:
    """One cent of fifty-one is within two hundredths, and not within one."""
    (row,) = compared([OUTPUT], [used(output=102)], [billed(51)], tolerance=tolerance)
    assert row.fails == fails


def test_workspaces_one_by_one() -> None:
    """What one has too much another may lack: apart both are seen, together neither."""
    lines = [entry("output", 100, 50 * CENT, workspace="wrkspc_1"), entry("output", 100, 50 * CENT)]
    uses = [used(output=40, workspace="wrkspc_1"), used(output=160)]
    bills = [
        Billed(DAY, "tokens", OPUS, "wrkspc_1", Fraction(20 * CENT)),
        Billed(DAY, "tokens", OPUS, "default", Fraction(80 * CENT)),
    ]
    (together,) = compared(lines, uses, bills)
    assert (together.finding, together.workspace) == (Finding.AGREES, "")
    apart = compare(lines, uses, bills, tolerance=Tolerance(), by_workspace=True)
    assert [(row.workspace, row.finding) for row in apart] == [
        ("default", Finding.BYPASSED),
        ("wrkspc_1", Finding.NOT_BILLED),
    ]
