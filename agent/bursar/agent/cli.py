"""What can be asked of `bursar` on the command line?"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console, RenderableType
from rich.text import Text

from bursar.agent.bill.access import BillError
from bursar.agent.commands import tables
from bursar.agent.commands.check import check_policy
from bursar.agent.commands.pricing import explain, load_book, render
from bursar.agent.commands.private_agent import PrivateAgentError
from bursar.agent.commands.program import ProgramError
from bursar.agent.commands.reach import RefusedError, TurnedAwayError, UnreachableError
from bursar.agent.commands.run import Order, RunError
from bursar.agent.commands.run import run as run_order
from bursar.agent.commands.span_of_time import SpanError, parse_span
from bursar.agent.commands.usage_text import UsageTextError, parse_usage
from bursar.agent.ledger import LedgerError, balances, open_for_reading, reports
from bursar.agent.ledger.reports import ReportError
from bursar.agent.settings import Settings, SettingsError, read_settings
from bursar.policies.amounts import AmountError
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBookError
from bursar.policies.shipped.genai import look_up

NO, USAGE, CANNOT_START = 1, 2, 3

_LATER = {
    "advise": "bursar.agent.advice.command:advise_command",
    "batches": "bursar.agent.commands.batches:batches_command",
    "cascades": "bursar.agent.commands.cascades:cascades_command",
    "dashboard": "bursar.agent.commands.dashboard:dashboard_command",
    "db": "bursar.agent.commands.database:db_command",
    "deferrals": "bursar.agent.commands.deferrals:deferrals_command",
    "eval": "bursar.agent.evals.command:eval_command",
    "export": "bursar.agent.bill.export:export_command",
    "explain": "bursar.agent.commands.explain:explain_command",
    "simulate": "bursar.agent.whatif.command:simulate_command",
    "forwards": "bursar.agent.forward.command:forwards_command",
    "overrides": "bursar.agent.commands.overriding:overrides_command",
    "pause": "bursar.agent.commands.overriding:pause_command",
    "raise": "bursar.agent.commands.overriding:raise_command",
    "reconcile": "bursar.agent.bill.reconcile:reconcile_command",
    "resume": "bursar.agent.commands.overriding:resume_command",
    "agent": "bursar.agent.commands.daemon:agent_command",
    "alert": "bursar.agent.alerting.command:alert_group",
    "alerts": "bursar.agent.alerting.command:alerts_command",
    "demo": "bursar.agent.demo.command:demo_command",
    "digest": "bursar.agent.alerting.command:digest_command",
}
"""Commands of other rooms, loaded when they are called for."""

_WRONG_USAGE = (AmountError, PolicyError, PriceBookError, ReportError, RunError, SpanError, UsageTextError)
_STOPPED_AT_START = (BillError, LedgerError, PrivateAgentError, SettingsError, TurnedAwayError, UnreachableError)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Commands(click.Group):
    """The commands, with every error of ours as a sentence and the exit code that it stands for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LATER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LATER:
            return super().get_command(ctx, cmd_name)
        module, _, name = _LATER[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefusedError as error:
            _end(error, NO)
        except _WRONG_USAGE as error:
            _end(error, USAGE)
        except _STOPPED_AT_START as error:
            _end(error, CANNOT_START)
        except ProgramError as error:
            _end(error, error.code)


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_policy_option = click.option("--policy", type=_file, help="The policy file (see `bursar check`).")
_prices_option = click.option("--prices", type=_file, help="Your own prices, on top of the shipped ones.")
_json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")


def _db_option(command: _Command) -> _Command:
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("--db", type=path, help="The ledger (default: BURSAR_DB, or in the state folder).")(command)


def _span_options(command: _Command) -> _Command:
    until = click.option("--until", metavar="WHEN", help="Up to, and without, this time; written as for --since.")
    since = click.option(
        "--since", metavar="WHEN", help="From here on: 1h, 7d, 2026-11-20 or 2026-11-20T15:00, in UTC."
    )
    return since(until(command))


@click.group(cls=_Commands)
@click.version_option(package_name="bursar", prog_name="bursar")
def cli() -> None:
    """Exact cost on every Claude call, and a purse that holds."""


@cli.command()
@click.option("--model", required=True, help="A model id of any platform.")
@click.option("--usage", "usage_text", required=True, metavar="JSON", help="Anthropic's usage object of a response.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day of the price, in UTC (default: today).")
@click.option("--batch", is_flag=True, help="As a result of a Message Batch.")
@_prices_option
@_json_option
def price(model: str, usage_text: str, at: datetime | None, batch: bool, prices: Path | None, as_json: bool) -> None:
    """What does a response cost, line by line? Exit code 1 where that cannot be known."""
    usage, book = parse_usage(usage_text), load_book(prices or read_settings(os.environ).prices).with_fallback(look_up)
    explained = explain(model, usage, (at or datetime.now(UTC)).date(), batch, book)
    _answer(explained if as_json else render(explained))
    if explained["nano_usd"] is None:
        sys.exit(NO)


@cli.command()
@_policy_option
@_prices_option
@_json_option
def prices(policy: Path | None, prices: Path | None, as_json: bool) -> None:
    """Which prices hold, of when and from whom, and which models of the policy's ladders will soon be gone?"""
    from bursar.agent.commands.prices import read_policy, render, show

    book = load_book(prices or read_settings(os.environ).prices)
    shown = show(book, datetime.now(UTC).date(), None if policy is None else read_policy(policy, book))
    _answer(shown if as_json else render(shown, width=_console().width))


@cli.command()
@_span_options
@click.option("--dry-run", is_flag=True, help="Only show what would change; works beside a running agent.")
@click.option("--why", default="", metavar="TEXT", help="The reason, kept in the ledger beside every change.")
@_prices_option
@_db_option
@_json_option
def reprice(
    since: str | None,
    until: str | None,
    dry_run: bool,
    why: str,
    prices: Path | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Price history anew by the prices of today, with a row in the ledger for every change. The agent must be down."""
    from bursar.agent.commands.reprice import Plan, Stretch, carry_out, render, to_json

    if since is None:
        raise click.UsageError("--since is needed: say from when on history is to be priced anew")
    now_ns, settings = time.time_ns(), _settings(db)
    stretch = Stretch(*parse_span(since, until, now=datetime.now(UTC)))
    book = load_book(prices or settings.prices).with_fallback(look_up)
    plan = Plan(settings.db, book, stretch, why=why, dry_run=dry_run)
    outcome = carry_out(plan, now_ns=now_ns, progress=_progress)
    _answer(to_json(outcome, plan) if as_json else render(outcome, plan))


@cli.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
@_policy_option
@click.option("--limit", metavar="AMOUNT", help='What the command may spend in all: "2 USD".')
@_prices_option
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="Keep the ledger in this file.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(policy: Path | None, limit: str | None, prices: Path | None, db: Path | None, command: tuple[str, ...]) -> None:
    """Run a program under Bursar, without a change to it: `bursar run --limit "2 USD" -- python app.py`."""
    if policy is not None and limit is not None:
        raise click.UsageError("--policy and --limit exclude each other: write the limit into the policy")
    order = Order(command, policy=policy, limit=limit, prices=prices, db=db)
    sys.exit(run_order(order, os.environ, lambda line: click.echo(line, err=True)))


@cli.command()
@click.option(
    "--by",
    default="route,model",
    show_default=True,
    metavar="KEYS",
    help=f"Comma-separated: {', '.join(reports.KEYS)}, label:NAME.",
)
@_span_options
@_db_option
@_json_option
def report(by: str, since: str | None, until: str | None, db: Path | None, as_json: bool) -> None:
    """What was spent, by whom and on what?"""
    keys = [key.strip() for key in by.split(",") if key.strip()]
    made = _report(_settings(db), keys, since, until)
    _answer(made if as_json else tables.spend(made, keys, width=_console().width))


@cli.command()
@_db_option
@_json_option
def budgets(db: Path | None, as_json: bool) -> None:
    """What does every budget stand at now?"""
    now_ns = time.time_ns()
    with open_for_reading(_settings(db).db) as ledger:
        rows = [_with_instants(row) for row in reports.budgets(ledger, now_ns)]
        observed = reports.observed(ledger, now_ns - reports.IDLE_NS, now_ns)
    if as_json:
        _answer({"budgets": rows, "observed": observed, "at": balances.iso(now_ns)})
    else:
        _answer(tables.budgets(rows, width=_console().width) if rows else Text("No budget counts anything now."))
        _answer(*tables.observed(observed))


@cli.command()
@_span_options
@_db_option
@_json_option
def routes(since: str | None, until: str | None, db: Path | None, as_json: bool) -> None:
    """Which kinds of work are there, and what does each cost?"""
    settings = _settings(db)
    made = _report(settings, ["route"], since, until)
    models: dict[str, list[str]] = {}
    for row in _report(settings, ["route", "model"], since, until)["rows"]:
        models.setdefault(row["route"], []).append(row["model"])
    if as_json:
        rows = [{**row, "models": models.get(row["route"], [])} for row in made["rows"]]
        _answer({"routes": rows, "since": made["since"], "until": made["until"]})
    else:
        _answer(tables.routes(made, models, width=_console().width))


@cli.command()
@_db_option
@_json_option
def holds(db: Path | None, as_json: bool) -> None:
    """Which calls are in flight, whose are they, and what may they cost?"""
    now_ns = time.time_ns()
    with open_for_reading(_settings(db).db) as ledger:
        rows = reports.holds(ledger)
    if as_json:
        _answer({"holds": [{**row, "at": balances.iso(row["at_ns"])} for row in rows], "at": balances.iso(now_ns)})
    else:
        found = tables.holds(rows, now_ns=now_ns, width=_console().width)
        _answer(found if rows else Text("No call is in flight."))


@cli.command()
@click.argument("policy", type=_file)
@_db_option
@_json_option
def check(policy: Path, db: Path | None, as_json: bool) -> None:
    """What does a policy file do, what would it change, and whom would it refuse now? Exit code 1 for mistakes."""
    settings = _settings(db)
    checked = check_policy(policy, load_book(settings.prices), db=settings.db, now_ns=time.time_ns())
    if as_json:
        _answer(checked.to_json())
    elif checked.mistakes:
        _answer(tables.mistakes(checked.file, checked.mistakes, width=_console().width))
    else:
        _answer(
            *map(Text, (*checked.description, *checked.licences)),
            *(Text(f"warning: {warning}") for warning in checked.warnings),
        )
        _answer(*tables.changes(checked.difference), *tables.prospects(checked.prospects, width=_console().width))
    sys.exit(NO if checked.mistakes else 0)


@cli.command()
@click.option("--port", default=4320, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option(
    "--batch-delay",
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="How long a Message Batch takes that does not say so itself.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file in which batches and bill outlive a restart.",
)
@click.option(
    "--refresh",
    default="all",
    show_default=True,
    type=click.Choice(["all", "highest"]),
    help="What a hit in the prompt cache keeps alive: the shorter prefixes marked under it too, or only itself.",
)
def sandbox(port: int, batch_delay: float, state: Path | None, refresh: str) -> None:
    """Run a Claude API that costs nothing and bills faithfully: for rehearsals and tests. Ends with Ctrl-C."""
    from bursar.agent.commands.rehearsal import rehearse
    from bursar.agent.sandbox import Refresh

    try:
        rehearse(port, click.echo, batch_delay_s=batch_delay, state=state, refresh=Refresh(refresh))
    except OSError as error:
        _end(error.strerror or error, CANNOT_START)


@cli.command()
@_json_option
def doctor(as_json: bool) -> None:
    """Does everything here fit together? Exit code 1 where something fails."""
    from bursar.agent.commands.doctor import Surroundings, examine, well

    findings = examine(Surroundings(read_settings(os.environ), os.environ, datetime.now(UTC).date()))
    fine = well(findings)
    if as_json:
        _answer({"ok": fine, "findings": [asdict(finding) for finding in findings]})
    else:
        _answer(tables.findings([asdict(finding) for finding in findings]))
    sys.exit(0 if fine else NO)


def _end(said: object, code: int) -> NoReturn:
    """A sentence on standard error, and an exit code."""
    click.echo(f"bursar: {said}", err=True)
    sys.exit(code)


def _settings(db: Path | None) -> Settings:
    return read_settings(os.environ, db=db)


def _report(settings: Settings, keys: Sequence[str], since: str | None, until: str | None) -> reports.Row:
    start_ns, end_ns = parse_span(since, until, now=datetime.now(UTC))
    with open_for_reading(settings.db) as ledger:
        return reports.report(ledger, keys, since_ns=start_ns, until_ns=end_ns)


def _with_instants(row: reports.Row) -> reports.Row:
    instants = {name: row[name] for name in ("window_start", "window_end")}
    return {**row, **{name: None if at is None else balances.iso(at) for name, at in instants.items()}}


def _answer(*said: RenderableType | dict[str, Any]) -> None:
    """The answer on standard output: a JSON object, or what a terminal shows."""
    for part in said:
        if isinstance(part, dict):
            click.echo(json.dumps(part, indent=2))
        else:
            _console().print(part, soft_wrap=isinstance(part, Text))


def _progress(done: int, of: int) -> None:
    click.echo(f"{done:,} of {of:,} charges", err=True)


def _console() -> Console:
    return Console(highlight=False)
