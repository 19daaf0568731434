"""Books: a run's calls reach the ledger by whoever has it, and what a killed run left is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.agent.batching.house import NOON, USD
from tests.agent.ledger import fresh
from tests.agent.ledger.test_evalbook import MADE

from bursar.agent.adoption import Adoption
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.commands.reach import UnreachableError
from bursar.agent.evals.books import CHUNK, Books, forgotten
from bursar.agent.evals.desk import EVALS, FORGET
from bursar.agent.ledger import Ledger, evalbook, open_for_reading, reports, samplebook
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.rules import RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import PATH, request_from_json
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.route import Capture
from bursar.policies.sample import Sample
from bursar.policies.usage import Usage

POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"100%" = "block"
""",
    file="f",
)


def clock() -> int:
    return NOON


def call(number: int) -> list[Record]:
    name = f"eval-{number}"
    sent = Sent(name, name, NOON, "bursar.eval", "m", "m", bound_nano=500)
    charge = Charge(name, 100, Usage(input=1), Basis.USAGE, "m", "m", "bursar.eval", name, at_ns=NOON)
    return [sent, Settled(charge)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(tmp_path, tmp_path / "db")
    Ledger(fresh.file(made.db), clock_ns=clock).close()
    return made


def unasked(path: str, body: Mapping[str, object]) -> Any:
    raise AssertionError(f"no agent was to be asked for {path}: {body}")


def total(settings: Settings) -> reports.Row:
    with open_for_reading(settings.db) as db:
        return reports.totals(db, 0, 2**62)


def test_without_an_agent_the_ledger_is_written_by_the_run(settings: Settings) -> None:
    """Each booking at once, so that an agent may start between two of them; budgets count it too."""
    with Books(settings, "eval-1", clock, POLICY, unasked) as books:
        books.book(record for number in range(CHUNK) for record in call(number))
        Ledger(fresh.file(settings.db), clock_ns=clock).close()
        assert (settings.journals / "eval-1.jsonl").exists()
    assert (total(settings)["charges"], total(settings)["nano_usd"]) == (CHUNK, CHUNK * 100)
    with open_for_reading(settings.db) as db:
        (budget,) = reports.budgets(db, NOON)
        assert budget["spent"] == CHUNK * 100
        assert reports.holds(db) == []
    assert not list(settings.journals.iterdir())


def test_with_an_agent_it_is_told_in_the_words_of_every_process(settings: Settings) -> None:
    """Records of one holder, some at a time, and goodbye at the end; results and wishes by paths of their own."""
    told: list[tuple[str, Any]] = []

    def order(path: str, body: Mapping[str, object]) -> Any:
        told.append((path, json.loads(json.dumps(body))))
        return {"forgotten": 7}

    ledger = Ledger(fresh.file(settings.db), clock_ns=clock)
    with Books(settings, "eval-1", clock, POLICY, order) as books:
        books.book(record for number in range(CHUNK) for record in call(number))
        books.keep(MADE)
    assert forgotten(settings, "triage", clock, order) == 7
    ledger.close()
    assert [path for path, _ in told] == [PATH, PATH, EVALS, PATH, FORGET]
    first, second, last = (request_from_json(body) for path, body in told if path == PATH)
    assert [len(request.records) for request in (first, second, last)] == [CHUNK, CHUNK, 0]
    assert [request.goodbye for request in (first, second, last)] == [False, False, True]
    assert {request.holder.id for request in (first, second, last)} == {"eval-1"}
    assert evalbook.from_json(told[2][1]) == MADE
    assert told[4][1] == {"route": "triage"}


def test_without_an_agent_results_are_kept_and_samples_forgotten(settings: Settings) -> None:
    """The next agent takes them up at its start."""
    with Books(settings, "eval-1", clock, None, unasked) as books:
        books.keep(MADE)
    ledger = Ledger(fresh.file(settings.db), clock_ns=clock)
    text = Text(sealed=False, text=b"x")
    told = Sample("a", "triage", 1, "m", "", "x", "x")
    ledger.submit(lambda db: samplebook.keep(db, told, text, text, Capture(5, 60), NOON)).result()
    ledger.close()
    with open_for_reading(settings.db) as db:
        assert evalbook.history(db) == [MADE]
    assert forgotten(settings, "triage", clock, unasked) == 1
    assert forgotten(settings, "triage", clock, unasked) == 0


class KilledError(Exception):
    """The run ends where it stands."""


def test_what_a_killed_run_had_sent_counts_as_its_bound(settings: Settings) -> None:
    """Its journal is free once it is dead: whoever finds it closes its accounts."""
    books = Books(settings, "eval-1", clock, POLICY, unasked)
    books.__enter__()
    books.book([call(1)[0]])
    books.__exit__(KilledError, KilledError(), None)
    ledger = Ledger(fresh.file(settings.db), clock_ns=clock)
    keeper = Bookkeeper(ledger, RulesInForce(replace(settings)), clock_ns=clock, on_alert=lambda: None)
    adoption = Adoption(settings.journals, "h", keeper)
    adoption.run()
    (adopted,) = adoption.run()
    assert adopted.holder == "eval-1"
    with open_for_reading(settings.db) as db:
        (budget,) = reports.budgets(db, NOON)
    assert budget["spent"] == 500 < USD
    ledger.close()


def test_an_agent_that_does_not_answer_is_an_error_that_says_so(settings: Settings) -> None:
    """The ledger is another process's, and that is not reached: nothing is sent before it is booked."""

    def order(path: str, body: Mapping[str, object]) -> Any:
        raise UnreachableError("nobody answers")

    ledger = Ledger(fresh.file(settings.db), clock_ns=clock)
    with pytest.raises(UnreachableError), Books(settings, "eval-1", clock, None, order) as books:
        books.book(call(1))
    ledger.close()
