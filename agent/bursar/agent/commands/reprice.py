"""`bursar reprice`: how is history priced anew, and how is it told?"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sqlite_utils import Database

from bursar.agent.commands.howfar import Stages, stages
from bursar.agent.commands.options import answer, db_option, json_option, prices_option, settings_of, span_options
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import Ledger, LedgerInUse, LedgerMissing, open_for_reading
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.repricing import CHUNK, Entry, Outcome, Stretch, count, reprice
from bursar.policies.amounts import usd
from bursar.policies.prices import PriceBook
from bursar.policies.shipped.genai import look_up

__all__ = ["Plan", "Stretch", "carry_out", "render", "to_json"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be priced anew, and by what."""

    db: Path
    book: PriceBook
    stretch: Stretch
    why: str = ""
    """The reason given, which stands in the ledger beside every change, before the book's name."""
    dry_run: bool = False

    @property
    def reason(self) -> str:
        """What stands beside every change."""
        of = "" if self.book.as_of is None else f" as of {self.book.as_of}"
        return f"{self.why}{': ' if self.why else ''}{self.book.source}{of}"


def carry_out(plan: Plan, *, now_ns: int, begin: Stages, chunk: int = CHUNK) -> Outcome:
    """
    Price a stretch of history anew, a transaction for each chunk of charges.

    A dry run only reads, also beside a running agent. Otherwise raises `LedgerInUse` where an agent writes the ledger.
    What was committed stays when it is broken off; the next run goes on where there is still something to change.
    """
    entry = None if plan.dry_run else Entry(now_ns, plan.reason)
    with _turns(plan) as turn:
        of = turn(lambda db: count(db, plan.stretch))
        done = begin("pricing charges anew", of)
        go_on = partial(reprice, book=plan.book, stretch=plan.stretch, entry=entry, limit=chunk)
        whole = turn(partial(go_on, after=None))
        done(whole.looked_at)
        while whole.at is not None:
            whole.add(turn(partial(go_on, after=whole.at)))
            done(whole.looked_at)
    return whole


class _Turn(Protocol):
    """Does something with the ledger, as one transaction."""

    def __call__(self, job: Callable[[Database], T], /) -> T: ...


@contextmanager
def _turns(plan: Plan) -> Generator[_Turn]:
    if plan.dry_run:
        with open_for_reading(plan.db) as db:

            def read(job: Callable[[Database], T], /) -> T:
                return job(db)

            yield read
        return
    if not plan.db.exists():
        raise LedgerMissing(f"there is no ledger at {plan.db}: name the one to price anew with --db or BURSAR_DB")
    ledger = _opened(plan.db)

    def write(job: Callable[[Database], T], /) -> T:
        return ledger.submit(job).result()

    try:
        yield write
    finally:
        ledger.close()


def _opened(path: Path) -> Ledger:
    try:
        return Ledger(path, clock_ns=lambda: 0)
    except LedgerInUse as error:
        raise LedgerInUse(
            f"{error}. Only one process may write it, so prices change while the agent is down; "
            "--dry-run works beside it"
        ) from error


def to_json(outcome: Outcome, plan: Plan) -> dict[str, Any]:
    """What became of it, ready for JSON; amounts in nano-dollars."""
    total = outcome.total
    return {
        "dry_run": plan.dry_run,
        "charges": outcome.looked_at,
        "changed": total.charges,
        "unchanged": outcome.looked_at - total.charges - outcome.left.total(),
        "not_recomputable": {left.name.lower(): number for left, number in sorted(outcome.left.items())},
        "no_longer_unknown": total.known,
        "old_nano_usd": total.old_nano,
        "new_nano_usd": total.new_nano,
        "rows": [
            {
                "model": kind.model,
                "old_price_id": kind.old_price_id,
                "new_price_id": kind.new_price_id,
                "charges": changes.charges,
                "old_nano_usd": changes.old_nano,
                "new_nano_usd": changes.new_nano,
                "no_longer_unknown": changes.known,
            }
            for kind, changes in sorted(outcome.changed.items(), key=lambda item: -abs(item[1].moved))
        ],
        "why": plan.reason,
        "since": iso(plan.stretch.since_ns),
        "until": iso(plan.stretch.until_ns),
    }


def render(outcome: Outcome, plan: Plan) -> RenderableType:
    """The same for a terminal."""
    told = to_json(outcome, plan)
    would = "would change" if plan.dry_run else "changed"
    lines = [f"{told['charges']:,} charges from {told['since']} up to {told['until']}, by {told['why']}"]
    lines.append(f"{told['changed']:,} {would}, {told['unchanged']:,} come to the same")
    lines += [f"{number:,} left alone: {left.value}" for left, number in sorted(outcome.left.items())]
    return Group(Text("\n".join(lines)), *([_table(told)] if told["rows"] else []))


def _table(told: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("model", "total", overflow="fold")
    table.add_column("from price", overflow="fold")
    table.add_column("to price", overflow="fold")
    table.add_column("charges", f"{told['changed']:,}", justify="right")
    for title, name in (("old USD", "old_nano_usd"), ("new USD", "new_nano_usd")):
        table.add_column(title, Text(usd(told[name])), justify="right", overflow="fold")
    for row in told["rows"]:
        names = (row["model"], row["old_price_id"] or "none", row["new_price_id"] or "none")
        old = "unknown" if row["no_longer_unknown"] == row["charges"] else usd(row["old_nano_usd"])
        table.add_row(*map(Text, names), f"{row['charges']:,}", old, usd(row["new_nano_usd"]))
    return table


@click.command("reprice")
@span_options
@click.option("--dry-run", is_flag=True, help="Only show what would change; works beside a running agent.")
@click.option("--why", default="", metavar="TEXT", help="The reason, kept in the ledger beside every change.")
@prices_option
@db_option
@json_option
def reprice_command(
    since: str | None,
    until: str | None,
    dry_run: bool,
    why: str,
    prices: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Price history anew by the prices of today, with a row in the ledger for every change. The agent must be down."""
    if since is None:
        raise click.UsageError("--since is needed: say from when on history is to be priced anew")
    now_ns, settings = time.time_ns(), settings_of(db)
    stretch = Stretch(*parse_span(since, until, now=datetime.now(UTC)))
    book = load_book(prices or settings.prices).with_fallback(look_up)
    plan = Plan(settings.db, book, stretch, why=why, dry_run=dry_run)
    with stages() as begin:
        outcome = carry_out(plan, now_ns=now_ns, begin=begin)
    answer(to_json(outcome, plan) if as_json else render(outcome, plan))
