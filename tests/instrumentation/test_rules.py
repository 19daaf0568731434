"""Rules: built whole from what the agent says, and kept when it says something unreadable."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import use_span

from bursar.instrumentation.quiet import forget_told
from bursar.instrumentation.rules import (
    Rules,
    keep_snapshot,
    load_snapshot,
    rules_of,
    shipped_rules,
)
from bursar.policies.capabilities import shipped_capabilities
from bursar.policies.licence import Licence, licences, to_text
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

MINE = "input = 7\ncache_read = 7\ncache_write_5m = 7\ncache_write_1h = 7\noutput = 7\n"
PRICES = f'[[model]]\nid = "mine"\n{MINE}'
POLICY = """
version = 1
mode = "enforce"
[[route]]
name = "by-code"
find = { code = "desk.triage:*" }
[[route]]
name = "by-service"
find = { service = "night-*" }
[[route]]
name = "by-span"
find = { span = "POST /orders" }
[[route]]
name = "by-http"
find = { http_route = "/tickets/*" }
[[route]]
name = "by-baggage"
find = { baggage = "team=ops" }
[[route]]
name = "named-only"
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget_told()
    yield
    forget_told()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def price_of(rules: Rules, model: str) -> int | None:
    found = rules.book.find(model)
    row = found.row(date(2026, 11, 22)) if found is not None else None
    return row.rates.input if row is not None else None


def test_what_the_agent_says_of_models_goes_before_what_is_shipped(caplog: pytest.LogCaptureFixture) -> None:
    """An agent of an earlier version says nothing, and one of a later may say what cannot be read here."""
    told = '[{"id":"claude-opus-5-5","max_tokens":5},{"id":"claude-next-6","lifecycle":"retired"},3]'
    shipped = Rules(shipped_book())
    known = rules_of(Snapshot("s1", models=told), shipped).known
    assert (known["claude-opus-5-5"].max_output, known["claude-opus-5-5"].unset) == (5, "always")
    assert known["claude-next-6"].retired
    assert rules_of(Snapshot("s1"), shipped).known == shipped_capabilities()
    assert rules_of(Snapshot("s1", models='{"of": "later"}'), shipped).known == shipped_capabilities()
    assert len(warnings(caplog)) == 1


HEARD = rules_of(Snapshot("s1", POLICY), Rules(shipped_book()))


@pytest.mark.parametrize(
    ("caller", "service", "route"),
    [
        ("desk.triage:run", "", "by-code"),
        ("desk.triage:run", "night-shift", "by-code"),
        ("desk.other:run", "night-shift", "by-service"),
        ("desk.other:run", "day", None),
        ("desk.other:run", "", None),
    ],
)
def test_a_route_is_found_by_caller_and_service(caller: str, service: str, route: str | None) -> None:
    """The first of the policy that matches."""
    assert HEARD.find_route(caller, service) == route


def test_a_route_is_found_by_the_enclosing_span() -> None:
    """By its name, or the route of the HTTP request it serves."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with use_span(tracer.start_span("POST /orders"), end_on_exit=True):
        assert HEARD.find_route("x:y", "") == "by-span"
    with use_span(tracer.start_span("other", attributes={"http.route": "/tickets/7"}), end_on_exit=True):
        assert HEARD.find_route("x:y", "") == "by-http"
    with use_span(tracer.start_span("other", attributes={"http.route": 7}), end_on_exit=True):
        assert HEARD.find_route("x:y", "") is None


def test_a_route_is_found_by_baggage() -> None:
    """One entry of it."""
    token = context.attach(baggage.set_baggage("team", "ops"))
    try:
        assert HEARD.find_route("x:y", "") == "by-baggage"
    finally:
        context.detach(token)


@pytest.mark.parametrize("rules", [Rules(shipped_book()), rules_of(Snapshot("s"), Rules(shipped_book()))])
def test_without_a_policy_no_route_is_found(rules: Rules) -> None:
    """The caller names it."""
    assert rules.find_route("desk.triage:run", "night-shift") is None


def test_what_ships_has_prices_and_no_policy() -> None:
    """And nobody was heard of yet."""
    rules = shipped_rules(None)
    assert (rules.policy, rules.heard) == (None, False)
    assert price_of(rules, "claude-opus-5-5") == 4_000_000


def test_the_user_s_prices_come_on_top(tmp_path: Path) -> None:
    """Of what ships."""
    (tmp_path / "prices.toml").write_text(PRICES)
    rules = shipped_rules(tmp_path / "prices.toml")
    assert (price_of(rules, "mine"), price_of(rules, "claude-opus-5-5")) == (7_000_000, 4_000_000)


@pytest.mark.parametrize("content", [None, b"[[model", b"\xff\xfe", b'[[model]]\nid = "mine"\n'])
def test_prices_that_cannot_be_used_are_told_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    """Absent, no TOML, no text, or incomplete: the application starts all the same."""
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_bytes(content)
    rules = shipped_rules(path)
    assert (price_of(rules, "mine"), price_of(rules, "claude-opus-5-5")) == (None, 4_000_000)
    (warning,) = warnings(caplog)
    assert f"{path} is not used" in warning


def test_the_agent_s_rules_replace_those_before() -> None:
    """Its policy and its prices on top of what ships; without prices of its own, those of this process."""
    before = Rules(shipped_book())
    rules = rules_of(Snapshot("s1", POLICY, PRICES, "bursar.toml"), before)
    assert rules.heard
    assert rules.policy is not None
    assert [route.name for route in rules.policy.routes][-1] == "named-only"
    assert price_of(rules, "mine") == 7_000_000
    assert rules_of(Snapshot("s2", None, None), rules) == Rules(rules.book, None, heard=True)


@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot("s", "version = 99\nmode = 'enforce'"),
        Snapshot("s", "["),
        Snapshot("s", None, "[["),
        Snapshot("s", None, "x"),
    ],
)
def test_rules_that_cannot_be_read_leave_those_before_in_force(
    snapshot: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    """An agent may be newer than this process; told once."""
    before = Rules(shipped_book(), heard=True)
    assert rules_of(snapshot, before) is before
    assert rules_of(snapshot, before) is before
    (warning,) = warnings(caplog)
    assert "those before stay in force" in warning


SNAPSHOT = Snapshot("s1", POLICY, PRICES, "bursar.toml")


def test_the_last_snapshot_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """Also in a folder that is not there yet; a later one takes its place, and no draft is left."""
    folder = tmp_path / "state" / "bursar"
    assert load_snapshot(folder) is None
    for snapshot in (SNAPSHOT, Snapshot("s2")):
        keep_snapshot(folder, snapshot)
        assert load_snapshot(folder) == snapshot
    assert [path.name for path in folder.iterdir()] == ["snapshot.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{}", b'{"id": 5}', b'{"id": "s", "policy": 5}'])
def test_a_snapshot_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """Nothing in that file can keep an application from starting."""
    (tmp_path / "snapshot.json").write_bytes(content)
    assert load_snapshot(tmp_path) is None


def test_a_later_version_s_snapshot_is_read(tmp_path: Path) -> None:
    """Fields that came later are passed over."""
    (tmp_path / "snapshot.json").write_text(json.dumps({"id": "s", "later": 1}))
    assert load_snapshot(tmp_path) == Snapshot("s")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And passed over."""
    (tmp_path / "state").write_text("in the way")
    keep_snapshot(tmp_path / "state", SNAPSHOT)
    (warning,) = warnings(caplog)
    assert str(tmp_path / "state" / "snapshot.json") in warning


@pytest.mark.parametrize("text", [None, "no licences", '[{"route": 1}]'])
def test_licences_that_cannot_be_read_move_nobody(text: str | None) -> None:
    """An agent newer than this process may write them otherwise: then nothing is vouched for, and nothing breaks."""
    told = [Licence("desk", "claude-haiku-5-5", 7, passed=True)]
    assert rules_of(Snapshot("a", licences=to_text(told)), shipped_rules(None)).licences == licences(told)
    assert rules_of(Snapshot("a", licences=text), shipped_rules(None)).licences == {}
