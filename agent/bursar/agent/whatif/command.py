"""`bursar simulate`: what would the same work cost under another policy, or with other levers?"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from sqlite_utils import Database

from bursar.agent.advice.beside import may_wait, policy_in_force
from bursar.agent.advice.gathering import LOOKS, fingerprints
from bursar.agent.commands import candidates
from bursar.agent.commands.howfar import Done, progress, stages
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.span_of_time import SpanError, parse_span
from bursar.agent.ledger import LedgerError, evalbook, open_for_reading, printbook
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.pastattempts import past_attempts
from bursar.agent.ledger.pastcalls import count, past_calls, rolled_up
from bursar.agent.settings import SettingsError, read_settings
from bursar.agent.whatif import screen, stackscreen
from bursar.agent.whatif.article import Row, rows
from bursar.agent.whatif.levers import UnpricedError, days
from bursar.agent.whatif.pipelines import ERAS, PIPELINES, Era, Pipeline
from bursar.agent.whatif.printed import marked
from bursar.agent.whatif.replay import Replayed, replay
from bursar.agent.whatif.rungs import below
from bursar.agent.whatif.stack import Lever, Rung, Stack, stack
from bursar.agent.whatif.stack import to_json as stack_json
from bursar.policies.licence import licences, objection
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBook, PriceBookError, rates

EACH = 500
"""Fingerprints read between two movements of the bar."""
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


class _WrongUsage(click.ClickException):
    exit_code = 2


class _CannotStart(click.ClickException):
    exit_code = 3


@click.command("simulate")
@click.option("--policy", type=_file, help="Replay the ledger's calls under this policy.")
@click.option("--levers", metavar="LEVERS", help="Pull these on the ledger's calls: tier,cache,batch, or some of them.")
@click.option(
    "--candidate",
    metavar="MODEL",
    shell_complete=candidates.models,
    help="The model of the tier lever, instead of the ladder's next rung.",
)
@click.option("--since", default="7d", show_default=True, help="How far back: 24h, 7d, or a date.")
@click.option("--db", type=click.Path(path_type=Path), help="The ledger (default: BURSAR_DB, or the state folder).")
@click.option("--example", type=click.Choice(list(PIPELINES)), help="One of the article's pipelines instead.")
@click.option("--prices", default="today", show_default=True, type=click.Choice(list(ERAS)), help="For --example.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def simulate_command(
    policy: Path | None,
    levers: str | None,
    candidate: str | None,
    since: str,
    db: Path | None,
    example: str | None,
    prices: str,
    as_json: bool,
) -> None:
    """What would the same work cost under another policy, or with other levers?"""
    pulled = _chosen(policy, levers, candidate, example)
    try:
        book = load_book(read_settings(os.environ, db=db).prices)
        if example is not None:
            _show_example(PIPELINES[example], ERAS[prices], book, as_json=as_json)
        elif policy is not None:
            _show_replay(policy, since, db, book, as_json=as_json)
        else:
            _show_stack(pulled, candidate, since, db, book, as_json=as_json)
    except (SpanError, PolicyError) as error:
        raise _WrongUsage(str(error)) from error
    except (SettingsError, LedgerError, PriceBookError, UnpricedError) as error:
        raise _CannotStart(str(error)) from error


def _chosen(policy: Path | None, levers: str | None, candidate: str | None, example: str | None) -> tuple[Lever, ...]:
    """The levers to pull, if any; wrong usage where the options do not go together."""
    given = [name for name, value in (("--policy", policy), ("--levers", levers), ("--example", example)) if value]
    if not given:
        raise _WrongUsage("say what to simulate: --policy NEW.toml, --levers tier,cache,batch, or --example invoices")
    if len(given) > 1:
        raise _WrongUsage(
            f"{' and '.join(given)} do not go together: --policy replays rules, --levers prices what could be done by "
            "hand (its ladder is the policy's in force, or --candidate MODEL), --example is no traffic of yours"
        )
    pulled = _levers(levers) if levers else ()
    if candidate and Lever.TIER not in pulled:
        raise _WrongUsage("--candidate is the model of the tier lever: write --levers tier,… with it")
    return pulled


def _levers(text: str) -> tuple[Lever, ...]:
    try:
        return tuple(Lever(name.strip()) for name in text.split(","))
    except ValueError as error:
        raise _WrongUsage(f"--levers {text}: there are {', '.join(Lever)}") from error


def _show_example(pipeline: Pipeline, era: Era, book: PriceBook, *, as_json: bool) -> None:
    today = datetime.now(UTC).date()
    found = rows(pipeline, era, days(pipeline, era, book, today))
    if as_json:
        _write(_example(pipeline, era, today, found))
    else:
        Console().print(screen.example(pipeline, era, today, found))


def _show_replay(file: Path, since: str, db: Path | None, book: PriceBook, *, as_json: bool) -> None:
    policy = parse_policy(file.read_text(encoding="utf-8"), file=str(file))
    since_ns, until_ns = parse_span(since, None, now=datetime.now(UTC))
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        found = _replayed(policy, ledger, book, since_ns, until_ns)
        older = _older(ledger, since_ns, until_ns)
    if as_json:
        _write({**_document(found), **older, "since": iso(since_ns), "until": iso(until_ns)})
    elif not found.total.calls:
        sys.stderr.write(f"bursar simulate: no calls since {since} whose cost is known\n")
    else:
        Console().print(screen.replayed(found, file.name))


def _replayed(policy: Policy, ledger: Database, book: PriceBook, since_ns: int, until_ns: int) -> Replayed:
    with progress("replaying", count(ledger, since_ns, until_ns)) as done:
        known = licences(evalbook.licences(ledger))
        return replay(
            policy,
            past_calls(ledger, since_ns, until_ns),
            book,
            objection=lambda route, model: objection(known, route=route, model=model, at_ns=until_ns),
            progress=done,
        )


def _older(ledger: Database, since_ns: int, until_ns: int) -> Mapping[str, int]:
    """Calls that are rolled up, and so in no simulation: said on standard error, and a member of the document."""
    calls = rolled_up(ledger, since_ns, until_ns)
    if calls:
        sys.stderr.write(
            f"bursar simulate: {calls:,} calls of that time are kept as sums by the hour alone, and are left out\n"
        )
    return {"rolled_up_calls": calls}


def _show_stack(
    levers: tuple[Lever, ...], candidate: str | None, since: str, db: Path | None, book: PriceBook, *, as_json: bool
) -> None:
    if candidate and rates(candidate, datetime.now(UTC).date(), book) is None:
        raise _WrongUsage(
            f"--candidate {candidate}: {book.source} has no price of it; add a [[model]] to your price file"
        )
    since_ns, until_ns = parse_span(since, None, now=datetime.now(UTC))
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        found = _stacked(ledger, book, levers, candidate, since_ns, until_ns)
        older = _older(ledger, since_ns, until_ns)
    if as_json:
        asked = {"candidate": candidate, "since": iso(since_ns), "until": iso(until_ns)}
        _write({**dict(stack_json(found)), **older, **asked})
    elif not found.calls:
        sys.stderr.write(f"bursar simulate: no calls since {since} whose cost is known\n")
    else:
        Console().print(stackscreen.stacked(found))


def _stacked(
    ledger: Database, book: PriceBook, levers: tuple[Lever, ...], candidate: str | None, since_ns: int, until_ns: int
) -> Stack:
    policy = policy_in_force(ledger)
    with stages() as begin:
        calls = begin("reading calls", count(ledger, since_ns, until_ns))
        prompts = begin("reading prompts", LOOKS * printbook.count(ledger, since_ns, until_ns))
        told = _every(EACH, prompts)
        source = fingerprints(ledger, book, since_ns, until_ns, told=told)
        return stack(
            past_attempts(ledger, since_ns, until_ns),
            book,
            levers,
            _rung(policy, candidate, book),
            until_ns,
            may_wait=may_wait(policy),
            marking=partial(marked, source),
            progress=calls,
        )


def _every(calls: int, told: Done) -> Callable[[], None]:
    """Told how many once for so many: a bar that moves takes longer than what it counts."""
    counted = itertools.count(1)

    def one() -> None:
        if (done := next(counted)) % calls == 0:
            told(done)

    return one


def _rung(policy: Policy | None, candidate: str | None, book: PriceBook) -> Rung:
    """The candidate for every other model, else the next rung of the route's ladder."""

    def rung(route: str, model: str) -> str | None:
        if candidate is not None:
            return None if _same(candidate, model, book) else candidate
        ladder = policy.ladder_for(route) if policy is not None else ()
        return next(iter(below(model, ladder, book)), None)

    return rung


def _same(one: str, other: str, book: PriceBook) -> bool:
    return one == other or (book.find(one) is not None and book.find(one) == book.find(other))


def _example(pipeline: Pipeline, era: Era, today: date, found: list[Row]) -> Mapping[str, Any]:
    return {
        "example": pipeline.name,
        "what": pipeline.what,
        "prices": (era.day or today).isoformat(),
        "rows": [row.to_json() for row in found],
        "note": pipeline.asks,
    }


def _document(found: Replayed) -> Mapping[str, Any]:
    total = found.total
    return {
        "total": {
            "calls": total.calls,
            "nano_usd": total.nano,
            "replayed_nano_usd": total.replayed_nano,
            "unknown_charges": found.unknown,
        },
        "rows": [
            {
                "route": route,
                "action": action,
                "reason": reason,
                "calls": one.calls,
                "nano_usd": one.nano,
                "replayed_nano_usd": one.replayed_nano,
                "first_at": iso(one.first_ns),
                "last_at": iso(one.last_ns),
            }
            for (route, action, reason), one in sorted(found.by_work.items())
        ],
        "treated": [
            {
                "balance": balance,
                "route": route,
                "action": action,
                "calls": one.calls,
                "nano_usd": one.nano,
                "replayed_nano_usd": one.replayed_nano,
                "first_at": iso(one.first_ns),
                "last_at": iso(one.last_ns),
            }
            for (balance, route, action), one in sorted(found.by_balance.items(), key=lambda entry: entry[1].first_ns)
        ],
        "events": [
            {
                "at": iso(event.at_ns),
                "budget": event.budget,
                "balance": event.balance,
                "step": event.step,
                "actions": list(event.actions),
            }
            for event in found.events
        ],
        "left_out": list(found.left_out),
    }


def _write(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
