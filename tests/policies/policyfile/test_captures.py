"""Captures: how much of a route's content is kept, and for how long, or what is wrong with the wish."""

from __future__ import annotations

import pytest

from bursar.policies.amounts import AmountError
from bursar.policies.policyfile import PolicyError, parse_policy
from bursar.policies.policyfile.captures import parse_capture
from bursar.policies.policyfile.describe import describe
from bursar.policies.route import Capture

HEAD = 'version = 1\nmode = "observe"\n'
ROUTE = f'{HEAD}[[route]]\nname = "triage"\n'
DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "capture"),
    [
        ("eval 500", Capture(500, 14 * DAY)),
        ("eval 1 for 1h", Capture(1, 3_600.0)),
        (" eval 2000 for 30d ", Capture(2_000, 30 * DAY)),
    ],
)
def test_a_capture_says_how_many_and_how_long(text: str, capture: Capture) -> None:
    """Two weeks where it does not say."""
    assert parse_capture(text) == capture


@pytest.mark.parametrize(
    "text",
    ["", "500", "eval", "eval all", "eval 0", "eval 2001", "eval 500 for 31d", "eval 500 for 0s", "eval 5 for ever"],
)
def test_a_capture_is_bounded_in_number_and_time(text: str) -> None:
    """Nothing keeps content without an end."""
    with pytest.raises(AmountError):
        parse_capture(text)


def test_nothing_is_captured_unless_the_file_says_so() -> None:
    """Of a route by its exact name."""
    assert parse_policy(ROUTE, file="f").captures == {}
    text = f'{ROUTE}capture = "eval 200 for 2d"\n[[route]]\nname = "other"\n'
    assert parse_policy(text, file="f").captures == {"triage": Capture(200, 2 * DAY)}


def test_check_says_what_is_kept() -> None:
    """In a sentence of the route, with the number and the time."""
    told = " ".join(describe(parse_policy(f'{ROUTE}capture = "eval 1500 for 2d"\n', file="f")))
    kept = "The agent keeps the requests and answers of up to 1,500 of its calls, with all that they say"
    assert f"{kept}, each for up to 2d." in told
    assert "keeps" not in " ".join(describe(parse_policy(ROUTE, file="f")))


@pytest.mark.parametrize(
    ("top", "route", "expected"),
    [
        ("", "", (False, False)),
        ("requires_eval = true\n", "", (True, True)),
        ("requires_eval = true\n", "requires_eval = false\n", (False, True)),
        ("", "requires_eval = true\n", (True, False)),
    ],
)
def test_an_eval_is_asked_for_by_the_policy_or_by_a_route(top: str, route: str, expected: tuple[bool, bool]) -> None:
    """The route's own word counts for it; a route that the file does not name goes by the policy's."""
    policy = parse_policy(f'{HEAD}{top}[[route]]\nname = "triage"\n{route}', file="f")
    assert (policy.requires_eval_for("triage"), policy.requires_eval_for("elsewhere")) == expected
    told = " ".join(describe(policy))
    assert ("A call goes to a weaker model only where `bursar eval`" in told) is bool(top)
    assert (". Its calls go to a weaker model only where `bursar eval`" in told) is ("true" in route)
    assert ("without an eval" in told) is ("false" in route)


@pytest.mark.parametrize("line", ['requires_eval = "yes"', "capture = 500", 'capture = "all"'])
def test_a_slip_is_told_with_its_line(line: str) -> None:
    """As every other of the file."""
    with pytest.raises(PolicyError) as refusal:
        parse_policy(f"{ROUTE}{line}\n", file="f")
    assert [mistake.line for mistake in refusal.value.mistakes] == [5]
