"""Does everything here fit together, and if not, what is to be done?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path

import click

from bursar.agent.commands import tables
from bursar.agent.commands.options import NO, answer, json_option
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.reach import TurnedAwayError, UnreachableError, answers, ask, check_welcome
from bursar.agent.commands.waiting import waiting
from bursar.agent.ledger import LedgerError, LedgerMissing, open_for_reading
from bursar.agent.settings import HOST, PORT, ModelsApi, Settings, read_settings
from bursar.policies import protocol
from bursar.policies.capabilities import MODELS_API, shipped_as_of, told_by_models_api
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBook, PriceBookError
from bursar.policies.protocol import ProtocolError, Snapshot, snapshot_from_json

OLDEST_PYTHON = (3, 11)
OLDEST_SDK, FIRST_UNKNOWN_SDK = (0, 108), (3, 0)
BOOK_DAYS = 60
"""Prices change every few weeks: a book older than this is worth a look."""
NOTICE_DAYS = 60
"""How long before its retirement a model of a ladder is named: what Anthropic gives as notice at least."""

_OK = 200


class State(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    """It works, and somebody should know."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do where it is not well."""

    what: str
    state: State
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the checks look at. `today` is the day of the price book's age and of retirements."""

    settings: Settings
    environ: Mapping[str, str]
    today: date
    python: tuple[int, ...] = sys.version_info[:3]


def examine(around: Surroundings) -> list[Finding]:
    """Every check, in an order in which the first trouble explains the ones after it."""
    return [finding for check in _CHECKS for finding in check(around)]


def well(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed."""
    return all(finding.state is not State.FAIL for finding in findings)


def _python(around: Surroundings) -> Iterator[Finding]:
    said = ".".join(map(str, around.python))
    if around.python < OLDEST_PYTHON:
        yield Finding("python", State.FAIL, said, "use Python 3.11 or newer")
    else:
        yield Finding("python", State.OK, f"{said}, {sys.executable}")


def _sdk(_: Surroundings) -> Iterator[Finding]:
    try:
        found = version("anthropic")
    except PackageNotFoundError:
        yield Finding("anthropic", State.FAIL, "not installed in this Python", "pip install anthropic")
        return
    yield judge_sdk(found)


def judge_sdk(found: str) -> Finding:
    """Whether the instrumentation knows this version of the SDK."""
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_SDK:
        return Finding("anthropic", State.FAIL, f"{found} has no middleware to enter by", "upgrade to 0.108 or newer")
    if numbers >= FIRST_UNKNOWN_SDK:
        return Finding("anthropic", State.WARN, f"{found} is newer than what is supported", "upgrade Bursar")
    return Finding("anthropic", State.OK, f"{found}, supported")


def _bursar(_: Surroundings) -> Iterator[Finding]:
    yield Finding("bursar", State.OK, f"{version('bursar')}, protocol {protocol.VERSION}")


def _agent(around: Surroundings) -> Iterator[Finding]:
    url = around.environ.get("BURSAR_AGENT", "")
    usual = f"http://{HOST}:{PORT}"
    if not url and answers(usual):
        yield Finding("agent", State.WARN, f"one answers at {usual}, and BURSAR_AGENT is not set", f"set it to {usual}")
    elif not url:
        remedy = f"start `bursar agent` and set BURSAR_AGENT={usual}, or use `bursar run`"
        yield Finding("agent", State.WARN, "BURSAR_AGENT is not set: calls are journalled, no budget holds", remedy)
    else:
        yield _agent_at(url, around.settings.token_file)


def _agent_at(url: str, token_file: Path | None) -> Finding:
    try:
        status, _ = ask(url, "/healthz")
        ready, said = ask(url, "/readyz")
        if status != _OK:
            remedy = "see that BURSAR_AGENT names a Bursar agent"
            return Finding("agent", State.FAIL, f"{url} answers {status} to /healthz", remedy)
        if ready != _OK:
            return Finding("agent", State.FAIL, f"{url}: {said.strip()}", "see the agent's log")
        check_welcome(url, token_file)
    except UnreachableError as error:
        return Finding("agent", State.FAIL, str(error), "start it with `bursar agent`, or correct BURSAR_AGENT")
    except TurnedAwayError as error:
        return Finding("agent", State.FAIL, str(error), "set BURSAR_TOKEN_FILE to the agent's token file")
    return Finding("agent", State.OK, f"{url} is ready")


def _state_folder(around: Surroundings) -> Iterator[Finding]:
    folder = around.settings.state_dir
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        yield Finding("state folder", State.OK, f"{folder} is writable" if there == folder else f"{folder} can be made")
    else:
        remedy = "make it writable, or point BURSAR_STATE_DIR elsewhere: without it a crash can hide charges"
        yield Finding("state folder", State.FAIL, f"{there} is not writable", remedy)


def _journals(around: Surroundings) -> Iterator[Finding]:
    left = waiting(around.settings.journals)
    if left:
        remedy = "start `bursar agent` on this host with the same BURSAR_STATE_DIR: it takes them up"
        yield Finding("journals", State.WARN, f"{len(left)} wait in {around.settings.journals}", remedy)
    else:
        yield Finding("journals", State.OK, "none waits")


def _ledger(around: Surroundings) -> Iterator[Finding]:
    try:
        with open_for_reading(around.settings.db):
            yield Finding("ledger", State.OK, f"{around.settings.db} can be read")
    except LedgerMissing:
        yield Finding("ledger", State.WARN, f"none at {around.settings.db}", "start `bursar agent`, or set BURSAR_DB")
    except LedgerError as error:
        yield Finding("ledger", State.FAIL, str(error), "see that BURSAR_DB names a ledger of this version")


def _prices(around: Surroundings) -> Iterator[Finding]:
    try:
        book = load_book(around.settings.prices)
    except PriceBookError as error:
        yield Finding("prices", State.FAIL, str(error), "correct the file that BURSAR_PRICES names")
        return
    yield judge_book(book, around.today)
    snapshot = told_snapshot(around.settings.state_dir)
    yield judge_models(snapshot, around.settings.models_api)
    yield from retiring(told_policy(snapshot), book, around.today)


def judge_book(book: PriceBook, today: date) -> Finding:
    """Whether the price book is of late."""
    if book.as_of is None:
        return Finding("prices", State.WARN, f"{book.source} does not say of when it is", "add as_of to it")
    days = (today - book.as_of).days
    said = f"as of {book.as_of} ({days} days), from {book.source}"
    if days > BOOK_DAYS:
        return Finding("prices", State.WARN, said, "upgrade Bursar, or name newer prices in BURSAR_PRICES")
    return Finding("prices", State.OK, said)


def retiring(policy: Policy | None, book: PriceBook, today: date) -> Iterator[Finding]:
    """One finding for each model of a ladder that is gone, or will be within the notice; one if there is none."""
    if policy is None:
        yield Finding("ladders", State.OK, "no agent has told this machine a policy")
        return
    ladders = (policy.ladder, *(route.ladder or () for route in policy.routes))
    ends = {name: model.retirement for ladder in ladders for name in ladder if (model := book.find(name)) is not None}
    soon = {name: end for name, end in ends.items() if end is not None and end - today <= timedelta(NOTICE_DAYS)}
    for name, end in soon.items():
        gone = end <= today
        state, verb = (State.FAIL, "was retired on") if gone else (State.WARN, "will be retired on")
        yield Finding("ladders", state, f"{name} {verb} {end}", "put its successor into the policy's ladder")
    if not soon:
        yield Finding("ladders", State.OK, f"{len(ends)} models, none to be retired soon")


def judge_models(snapshot: Snapshot | None, api: ModelsApi | None) -> Finding:
    """Who says what each model accepts, as far as an agent told this machine."""
    shipped = f"the shipped facts of {shipped_as_of()}"
    if snapshot is None or snapshot.models is None:
        asked = "the Models API was not heard of" if api is not None else "there is no Anthropic credential here"
        return Finding("models", State.OK, f"{shipped}; {asked}")
    try:
        told = [model for model in told_by_models_api(snapshot.models).values() if MODELS_API in model.sources]
    except ValueError as error:
        return Finding("models", State.WARN, f"{shipped}, since what the agent told cannot be read: {error}")
    return Finding("models", State.OK, f"the Models API says what {len(told)} of them accept, over {shipped}")


def told_snapshot(state_dir: Path) -> Snapshot | None:
    """What an agent told a process of this machine last; None where none is known or it cannot be read."""
    try:
        return snapshot_from_json(json.loads((state_dir / "snapshot.json").read_text()))
    except (OSError, ValueError, ProtocolError):
        return None


def told_policy(snapshot: Snapshot | None) -> Policy | None:
    """The policy of a snapshot; None where it has none or that cannot be read."""
    try:
        return (
            None if snapshot is None or snapshot.policy is None else parse_policy(snapshot.policy, file=snapshot.file)
        )
    except PolicyError:
        return None


def _others(around: Surroundings) -> Iterator[Finding]:
    disabled = around.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    others = [
        found.dist.name if found.dist is not None else found.value
        for found in entry_points(group="opentelemetry_instrumentor", name="anthropic")
    ]
    yield judge_others(others, [name.strip() for name in disabled.split(",")])


def judge_others(others: Sequence[str], disabled: Sequence[str]) -> Finding:
    """Whether another package would make a second span of every call."""
    if not others:
        return Finding("other instrumentations", State.OK, "none for anthropic")
    names = ", ".join(others)
    if "anthropic" in disabled or "*" in disabled:
        return Finding("other instrumentations", State.OK, f"{names}, switched off")
    remedy = "uninstall it, or set OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=anthropic: each call would have two spans"
    return Finding("other instrumentations", State.WARN, f"{names} can instrument anthropic too", remedy)


def _traces(around: Surroundings) -> Iterator[Finding]:
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "BURSAR_AGENT")
    named = next((name for name in names if around.environ.get(name)), None)
    if named is None:
        remedy = "set BURSAR_AGENT or OTEL_EXPORTER_OTLP_ENDPOINT, or set up a tracer provider in the application"
        yield Finding("traces", State.WARN, "no endpoint is known: spans go nowhere by themselves", remedy)
    elif not can_export():
        yield Finding(
            "traces", State.WARN, f"{named} is set, but no exporter is installed", 'pip install "bursar[otel]"'
        )
    else:
        yield Finding("traces", State.OK, f"they go to {around.environ[named]} ({named})")


def can_export() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


_CHECKS: Sequence[Callable[[Surroundings], Iterator[Finding]]] = (
    _python,
    _sdk,
    _bursar,
    _agent,
    _state_folder,
    _journals,
    _ledger,
    _prices,
    _others,
    _traces,
)


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> None:
    """Does everything here fit together? Exit code 1 where something fails."""
    findings = examine(Surroundings(read_settings(os.environ), os.environ, datetime.now(UTC).date()))
    fine = well(findings)
    if as_json:
        answer({"ok": fine, "findings": [asdict(finding) for finding in findings]})
    else:
        answer(tables.findings([asdict(finding) for finding in findings]))
    sys.exit(0 if fine else NO)
