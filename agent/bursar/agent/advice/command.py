"""`bursar advise`: what could be done cheaper?"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bursar.agent.advice import screen
from bursar.agent.advice.gathering import LOOKS, gathered
from bursar.agent.advice.recommendation import Kind, Recommendation, to_json
from bursar.agent.commands import agenturl, candidates
from bursar.agent.commands.howfar import stages
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.reach import RefusedError, TurnedAwayError, UnreachableError
from bursar.agent.commands.span_of_time import SpanError, parse_span
from bursar.agent.ledger import (
    Ledger,
    LedgerError,
    LedgerInUse,
    markingbook,
    open_for_reading,
    pastcalls,
    printbook,
    verdictbook,
)
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.markingbook import Pulled
from bursar.agent.ledger.verdictbook import Dismissal
from bursar.agent.serving import desk
from bursar.agent.settings import Settings, SettingsError, read_settings
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBookError

_EACH = 500
"""Calls read between two movements of the bar."""

_db_option = click.option("--db", type=click.Path(path_type=Path), help="The ledger (default: BURSAR_DB).")
_since_option = click.option("--since", default="7d", show_default=True, help="How far back: 24h, 7d, or a date.")


class _WrongUsage(click.ClickException):
    exit_code = 2


class _CannotStart(click.ClickException):
    exit_code = 3


@dataclass(frozen=True, slots=True)
class _Advice:
    """What is advised, what of it was dismissed, which marks were put in force, and of which time the calls were."""

    found: list[Recommendation]
    dismissed: dict[str, Dismissal]
    pulled: list[Pulled]
    since_ns: int
    until_ns: int


@click.group("advise", invoke_without_command=True)
@click.option("--route", shell_complete=candidates.routes, help="Only this route; a glob such as 'support.*'.")
@_since_option
@click.option("--all", "everything", is_flag=True, help="What was dismissed too.")
@_db_option
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.pass_context
def advise_command(
    context: click.Context, route: str | None, since: str, everything: bool, db: Path | None, as_json: bool
) -> None:
    """What could be done cheaper, route by route, and what is it worth?"""
    if context.invoked_subcommand is not None:
        return
    advice = _advice(db, since, route)
    shown = [one for one in advice.found if everything or one.id not in advice.dismissed]
    if as_json:
        document = {
            "recommendations": [
                {**to_json(one), "dismissed": _dismissal(advice.dismissed.get(one.id))} for one in shown
            ],
            "markings": [_pulled_to_json(one) for one in advice.pulled],
            "since": iso(advice.since_ns),
            "until": iso(advice.until_ns),
        }
        click.echo(json.dumps(document, indent=2))
        return
    console = Console()
    if shown:
        screen.show(shown, advice.dismissed, console)
    else:
        sys.stderr.write(f"bursar advise: nothing to advise from the calls since {since}\n")
    screen.show_markings(advice.pulled, console)


@advise_command.command("dismiss")
@click.argument("name", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Kept in the ledger, and shown by `bursar advise --all`.")
@_since_option
@_db_option
def dismiss_command(name: str, reason: str, since: str, db: Path | None) -> None:
    """Do not show a recommendation any more, nor carry it out where `cache = "auto"`."""
    one = _named(_advice(db, since, None), name)
    if one is None:
        raise click.ClickException(f"nothing is advised under the id {name} since {since}: see `bursar advise --all`")
    _keep(Dismissal(name, one.route, one.model, time.time_ns(), reason, _who(), one.text), db)
    click.echo(f"bursar: {name} on {one.route} is not shown any more: {reason}", err=True)


def _keep(one: Dismissal, db: Path | None) -> None:
    """Into the ledger's file; where an agent writes that, by the agent."""
    path = read_settings(os.environ, db=db).db
    try:
        ledger = Ledger(path, clock_ns=time.time_ns)
    except LedgerInUse:
        try:
            agenturl.order(desk.DISMISSALS, {name: value for name, value in asdict(one).items() if name != "at_ns"})
        except (UnreachableError, TurnedAwayError, RefusedError) as error:
            raise _CannotStart(str(error)) from error
        return
    except LedgerError as error:
        raise _CannotStart(str(error)) from error
    try:
        ledger.submit(lambda db: verdictbook.dismiss(db, one)).result()
    finally:
        ledger.close()


def _named(advice: _Advice, name: str) -> Recommendation | None:
    """The recommendation of that id; of marks that are in force, and so no more advised, what was."""
    known = {one.id: one for one in advice.found}
    for one in advice.pulled:
        marking = one.marking
        marks = ", ".join(map(str, marking.marks))
        told = Recommendation(Kind.CUT, marking.route, marking.model, f"Mark {marks}.")
        known.setdefault(marking.id, told)
    return known.get(name)


def _advice(path: Path | None, since: str, route: str | None) -> _Advice:
    try:
        settings = read_settings(os.environ, db=path)
        since_ns, until_ns = parse_span(since, None, now=datetime.now(UTC))
        return _read(settings, route, since_ns, until_ns)
    except (SettingsError, SpanError) as error:
        raise _WrongUsage(str(error)) from error
    except (LedgerError, PriceBookError, PolicyError) as error:
        raise _CannotStart(str(error)) from error


def _read(settings: Settings, route: str | None, since_ns: int, until_ns: int) -> _Advice:
    book = load_book(settings.prices)
    with open_for_reading(settings.db) as db, stages() as begin:
        total = LOOKS * printbook.count(db, since_ns, until_ns) + pastcalls.count(db, since_ns, until_ns)
        tell = begin("reading calls", total)
        done = 0

        def told() -> None:
            nonlocal done
            done += 1
            if done % _EACH == 0:
                tell(done)

        found = gathered(db, book, since_ns, until_ns, route=route, told=told)
        pulled = [one for one in markingbook.all_pulled(db) if route is None or fnmatchcase(one.marking.route, route)]
        return _Advice(found, verdictbook.dismissals(db), pulled, since_ns, until_ns)


def _pulled_to_json(one: Pulled) -> dict[str, Any]:
    return {
        "id": one.marking.id,
        "route": one.marking.route,
        "model": one.marking.model,
        "marks": [{"place": mark.place, "ttl": mark.ttl} for mark in one.marking.marks],
        "state": one.state.value,
        "since": iso(one.at_ns),
        "predicted_share_saved": one.predicted,
        "realised_share_saved": one.realised,
        "text": one.reason,
    }


def _dismissal(one: Dismissal | None) -> dict[str, Any] | None:
    return None if one is None else {"at": iso(one.at_ns), "by": one.by, "reason": one.reason}


def _who() -> str:
    with suppress(OSError, KeyError):  # a container's user may have no name
        return getpass.getuser()
    return f"uid {os.getuid()}"
