"""Claims about `bursar advise`: JSON alone on standard output, talk on standard error, and exit codes that mean it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.agent.ledger import fresh

from bursar.agent.advice.command import advise_command
from bursar.agent.advice.gathering import observed_days
from bursar.agent.advice.recommendation import Kind, Recommendation
from bursar.agent.advice.usage import RouteUsage
from bursar.agent.app import serving_agent
from bursar.agent.ledger import Ledger, markingbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.settings import Settings, Tcp
from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

MINUTE_NS = 60 * 10**9
DAY_NS = 86_400 * 10**9


def charge(route: str, place: int, at_ns: int) -> Settled:
    return Settled(
        Charge(
            attempt_id=f"{route}-{place}",
            cost_nano_usd=5,
            usage=Usage(input=2_000, output=5),
            basis=Basis.USAGE,
            model="claude-sonnet-5-5",
            requested_model="claude-sonnet-5-5",
            route=route,
            labels={"team": "desk"},
            at_ns=at_ns,
        )
    )


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A ledger with ten calls, a minute apart, of each of two routes in the last hour."""
    path = tmp_path / "bursar.sqlite"
    first = time.time_ns() - 60 * MINUTE_NS
    records = [charge(route, n, first + n * MINUTE_NS) for route in ("support.triage", "docs") for n in range(10)]
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    ledger.book(records, holder="p", policy=None).result()
    ledger.close()
    return path


def run(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(advise_command, arguments, env={"BURSAR_PRICES": "", **(environ or {})})


def test_json_is_alone_on_standard_output(db: Path) -> None:
    """One document, with every route's saving of the day: ten calls share 2,000 tokens at most, 1,000 at least."""
    result = run("--json", "--db", str(db))
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, list(document)) == (
        0,
        "",
        ["recommendations", "markings", "since", "until"],
    )
    assert [(one["route"], one["saving_nano_usd_per_day"]) for one in document["recommendations"]] == [
        ("docs", {"from": 16_600_000, "expected": None, "to": 33_200_000}),
        ("support.triage", {"from": 16_600_000, "expected": None, "to": 33_200_000}),
    ]


@pytest.mark.parametrize(("glob", "routes"), [("support.*", ["support.triage"]), ("docs", ["docs"]), ("x", [])])
def test_a_route_can_be_chosen(db: Path, glob: str, routes: list[str]) -> None:
    """By its name or a glob; a route without calls gets an empty list."""
    document = json.loads(run("--json", "--db", str(db), "--route", glob).stdout)
    assert [one["route"] for one in document["recommendations"]] == routes


TABLE = """
 route and model     what to do
 ──────────────────────────────────────────────────────────────────────────────
 docs                Cache the shared prompt: 10 calls sent about 2,000 tokens
 claude-sonnet-5-5   each, none read from cache. Worth 0.017 to 0.033 USD a
 460ff9d7            day.
                     Put cache_control={"type": "ephemeral"}
                     on the last block that all calls share (claude-sonnet-5-5
                     caches from 512 tokens).

 support.triage      Cache the shared prompt: 10 calls sent about 2,000 tokens
 claude-sonnet-5-5   each, none read from cache. Worth 0.017 to 0.033 USD a
 1ff591be            day.
                     Put cache_control={"type": "ephemeral"}
                     on the last block that all calls share (claude-sonnet-5-5
                     caches from 512 tokens).

A range assumes that all calls share as much as the shortest of them sends, or,
at its lower end, half of that; and that each gap of more than five minutes
costs a write.
"""


def test_people_get_a_table(db: Path) -> None:
    """In 80 columns: what to do a route, the snippet unbroken; what all of it rests on stands once below."""
    result = run(environ={"BURSAR_DB": str(db), "COLUMNS": "80"})
    assert (result.exit_code, [line.rstrip() for line in result.stdout.splitlines()]) == (0, TABLE.splitlines())


def test_long_names_leave_room_for_words(tmp_path: Path) -> None:
    """A name of many characters is folded, never cropped; where nothing is assumed, nothing stands below."""
    route, path = "a" * 40, tmp_path / "bursar.sqlite"
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    short = charge(route, 0, time.time_ns() - MINUTE_NS)
    short = replace(short, charge=replace(short.charge, usage=Usage(input=5)))
    ledger.book([short], holder="p", policy=None).result()
    ledger.close()
    lines = [line.rstrip() for line in run("--db", str(path), environ={"COLUMNS": "80"}).stdout.splitlines()]
    assert [line for line in lines if line][2:] == [
        f" {'a' * 28}   Caching would do nothing: the median prompt has",
        f" {'a' * 12}{' ' * 19}5 tokens, and claude-sonnet-5-5 caches from",
        f" claude-sonnet-5-5{' ' * 14}512.",
        f" {Recommendation(Kind.CACHE, route, 'claude-sonnet-5-5', '').id}",
    ]


def test_nothing_to_advise_is_said(db: Path) -> None:
    """On standard error, so that standard output stays empty; nothing to say is no failure."""
    result = run("--db", str(db), "--since", "1s")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to advise from the calls since 1s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "told"),
    [
        (("--since", "yesterday"), {}, 2, "yesterday"),
        (("--db", "no-such-file"), {}, 3, "no-such-file"),
        ((), {"BURSAR_PRICES": "no-such-prices.toml"}, 3, "no-such-prices.toml"),
    ],
)
def test_what_cannot_be_answered_is_explained(
    db: Path, arguments: tuple[str, ...], environ: dict[str, str], code: int, told: str
) -> None:
    """2 for a wrong question, 3 where there is nothing to answer from; the sentence is on standard error."""
    result = run(*arguments, environ={"BURSAR_DB": str(db), **environ})
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


@pytest.mark.parametrize(
    ("first_ns", "days"), [((3 * DAY_NS, 4 * DAY_NS), Fraction(4)), ((6 * DAY_NS + DAY_NS // 2,), Fraction(1)), ((), 1)]
)
def test_days_without_a_ledger_do_not_thin_the_saving(first_ns: tuple[int, ...], days: Fraction) -> None:
    """From the first call seen to the end, a day at least: four days of calls are not spread over a week."""
    rows = [RouteUsage("r", "m", [at_ns], [1]) for at_ns in first_ns]
    assert observed_days(rows, 7 * DAY_NS) == days


def test_what_was_dismissed_is_not_shown(db: Path) -> None:
    """From then on, with its reason where everything is asked for; other advice stays."""
    shown = json.loads(run("--json", "--db", str(db)).stdout)["recommendations"]
    name = shown[0]["id"]
    done = run("dismiss", name, "--reason", "we tried", "--db", str(db))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"bursar: {name} on docs is not shown any more: we tried\n"
    left = json.loads(run("--json", "--db", str(db)).stdout)["recommendations"]
    assert ([one["route"] for one in left], left[0]["dismissed"]) == (["support.triage"], None)
    every = json.loads(run("--json", "--all", "--db", str(db)).stdout)["recommendations"]
    assert [one["dismissed"] and one["dismissed"]["reason"] for one in every] == ["we tried", None]
    table = run("--all", environ={"BURSAR_DB": str(db), "COLUMNS": "80"}).stdout
    assert "Dismissed by " in table
    assert ": we tried" in table


PULLED = Pulled(Marking("r1", "docs", "claude-sonnet-5-5", (Mark("system", "1h"), Mark("tail"))), 0.5, 7)


def kept(db: Path, *pulled: Pulled) -> None:
    ledger = Ledger(fresh.file(db), clock_ns=time.time_ns)
    for one in pulled:
        ledger.submit(partial(markingbook.put_in_force, one=one)).result()
    ledger.close()


def test_marks_in_force_are_told_with_what_was_predicted_and_seen(db: Path) -> None:
    """Of the route that is asked about."""
    seen = replace(PULLED, state=State.KEPT, reason="40.0% saved", realised=0.4)
    kept(db, seen)
    told = json.loads(run("--json", "--db", str(db), "--route", "d*").stdout)["markings"]
    assert [(one["id"], one["state"], one["predicted_share_saved"], one["realised_share_saved"]) for one in told] == [
        ("r1", "kept", 0.5, 0.4)
    ]
    assert told[0]["marks"] == [{"place": "system", "ttl": "1h"}, {"place": "tail", "ttl": "5m"}]
    assert json.loads(run("--json", "--db", str(db), "--route", "support*").stdout)["markings"] == []
    assert "in force: 40.0% saved" in run("--db", str(db)).stdout


def test_marks_in_force_can_be_dismissed(db: Path) -> None:
    """They are advised no more, since they are there; the id is the one that they are told under."""
    kept(db, PULLED)
    assert run("dismiss", "r1", "--reason", "no", "--db", str(db)).exit_code == 0
    assert json.loads(run("--json", "--db", str(db)).stdout)["markings"] == []


def test_an_id_that_is_not_advised_cannot_be_dismissed(db: Path) -> None:
    """Exit code 1: nothing is under that id, and where to find those that are."""
    done = run("dismiss", "00000000", "--reason", "x", "--db", str(db))
    assert done.exit_code == 1
    assert "nothing is advised under the id 00000000 since 7d: see `bursar advise --all`" in done.stderr


def test_a_running_agent_keeps_a_dismissal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is its own: it is asked to write."""
    monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path))
    now_ns = time.time_ns()
    with serving_agent(Settings(tmp_path, tmp_path / "db", listen=(Tcp(port=0),))) as agent:
        monkeypatch.setenv("BURSAR_AGENT", agent.url)
        records = [charge("docs", n, now_ns - (10 - n) * MINUTE_NS) for n in range(10)]
        agent.ledger.book(records, holder="p", policy=None).result()
        (one,) = json.loads(run("--json", "--db", str(tmp_path / "db")).stdout)["recommendations"]
        assert run("dismiss", one["id"], "--reason", "no", "--db", str(tmp_path / "db")).exit_code == 0
        assert json.loads(run("--json", "--db", str(tmp_path / "db")).stdout)["recommendations"] == []


def test_an_agent_that_cannot_be_reached_is_said(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes the ledger, and no agent answers: exit code 3 with a remedy, and nothing is kept."""
    (one, _) = json.loads(run("--json", "--db", str(db)).stdout)["recommendations"]
    monkeypatch.setenv("BURSAR_AGENT", "http://127.0.0.1:9")
    writer = Ledger(fresh.file(db), clock_ns=time.time_ns)
    done = run("dismiss", one["id"], "--reason", "no", "--db", str(db))
    writer.close()
    assert done.exit_code == 3
    assert "no agent answers at http://127.0.0.1:9" in done.stderr
    assert len(json.loads(run("--json", "--db", str(db)).stdout)["recommendations"]) == 2
