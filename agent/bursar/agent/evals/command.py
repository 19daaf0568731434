"""`bursar eval`: would a cheaper model have answered a route's calls as well?"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx
from rich.console import Console

from bursar.agent.batching.api import Api
from bursar.agent.batching.vault import open_vault
from bursar.agent.commands import candidates
from bursar.agent.commands.howfar import Done, stages
from bursar.agent.commands.pricing import load_book
from bursar.agent.credentials import Credential, credentials
from bursar.agent.evals import outcome as telling
from bursar.agent.evals.asks import Terms
from bursar.agent.evals.books import Books, forgotten
from bursar.agent.evals.likeforlike import cached_alike, sides
from bursar.agent.evals.material import Material, MaterialError, material
from bursar.agent.evals.outcome import Outcome
from bursar.agent.evals.purse import Purse
from bursar.agent.evals.run import Order, Ran, Run, pairs_of
from bursar.agent.evals.scoring import Score, ScoreError, scorer
from bursar.agent.evals.sending import Answer, Sender
from bursar.agent.evals.verdict import BAR, judged, measurable, usages
from bursar.agent.ledger import evalbook, open_for_reading, samplebook
from bursar.agent.settings import Settings, read_settings
from bursar.policies.amounts import parse_usd, usd
from bursar.policies.book import PriceBook
from bursar.policies.models import canonical
from bursar.policies.policyfile.mistakes import did_you_mean

NO = 1
MOST_SAMPLES = 2_000
_NAMED = "0" * 32
"""Under which credentials are named where nobody compares the names."""
_KEPT = ("", "budget")
"""Why a run may have ended whose result is kept: all samples were run, or those that its budget paid for."""


class _CannotStart(click.ClickException):
    exit_code = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says."""

    order: Order
    samples: int
    score: Score
    named: str
    bar: float
    batch: bool


@click.command("eval")
@click.option(
    "--route", shell_complete=candidates.routes, help="The route whose calls are looked at, by its exact name."
)
@click.option("--candidate", metavar="MODEL", shell_complete=candidates.models, help="The model that might do.")
@click.option(
    "--reference",
    metavar="MODEL",
    shell_complete=candidates.models,
    help="Run the samples on this model too, instead of what was recorded.",
)
@click.option("--samples", default=200, show_default=True, type=click.IntRange(1, MOST_SAMPLES), help="How many calls.")
@click.option("--score", default="exact", show_default=True, help="exact, json, or module:function of your own.")
@click.option("--fields", default="", metavar="A,B.C", help="With --score json: only these.")
@click.option("--budget", default="2 USD", show_default=True, help="What the run may cost at most.")
@click.option("--bar", default=BAR, show_default=True, type=click.FloatRange(0, 1), help="The agreement to be sure of.")
@click.option("--batch/--no-batch", default=True, help="At half the price, in a while; or at once.")
@click.option(
    "--show", default=0, metavar="N", type=click.IntRange(0), help="Print the N worst disagreements: content!"
)
@click.option("--forget", is_flag=True, help="Delete the samples of the route now, and do nothing else.")
@click.option("--list", "listing", is_flag=True, help="What evals said before, and what samples are kept.")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def eval_command(
    route: str | None,
    candidate: str | None,
    reference: str | None,
    samples: int,
    score: str,
    fields: str,
    budget: str,
    bar: float,
    batch: bool,
    show: int,
    forget: bool,
    listing: bool,
    db: Path | None,
    as_json: bool,
) -> None:
    """
    Would a cheaper model have answered as well? Runs recorded calls of a route on it, within a budget of its own, and
    holds the answers against those that were given. Exit code 1 where it does not pass.
    """
    settings = read_settings(os.environ, db=db)
    if listing:
        _list(settings, as_json=as_json)
        return
    if route is None:
        raise click.UsageError("say which calls are meant: --route support.triage (or --list)")
    if forget:
        _forget(settings, route, as_json=as_json)
        return
    if candidate is None:
        raise click.UsageError("say which model might do: --candidate claude-haiku-5-5")
    if show and as_json:
        raise click.UsageError("--show prints content on a terminal, and never into JSON: take one of the two out")
    judge, named = _score(score, fields)
    order = Order(route, candidate, reference, parse_usd(budget))
    made = _made(settings, Wish(order, samples, judge, named, bar, batch))
    _tell(made, show, as_json=as_json)
    sys.exit(0 if made.evaluation.passed and not made.ran.broken else NO)


def _score(named: str, fields: str) -> tuple[Score, str]:
    """The score that is asked for, and its name."""
    chosen = tuple(name.strip() for name in fields.split(",") if name.strip())
    try:
        return scorer(named, chosen), f"{named} of {','.join(chosen)}" if chosen else named
    except ScoreError as error:
        raise click.UsageError(str(error)) from error


def _tell(made: Outcome, show: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(telling.to_json(made.evaluation), indent=2))
    else:
        Console(highlight=False).print(*telling.render(made, show), sep="\n")


def _list(settings: Settings, *, as_json: bool) -> None:
    with open_for_reading(settings.db) as db:
        made, stocks = evalbook.history(db), samplebook.stocks(db)
    if as_json:
        kept = [{"route": stock.route, "samples": stock.samples, "bytes": stock.bytes} for stock in stocks]
        click.echo(json.dumps({"evals": [telling.to_json(one) for one in made], "samples": kept}, indent=2))
    else:
        Console(highlight=False).print(*telling.listed(made, stocks), sep="\n")


def _forget(settings: Settings, route: str, *, as_json: bool) -> None:
    gone = forgotten(settings, route, time.time_ns)
    if as_json:
        click.echo(json.dumps({"route": route, "forgotten": gone}))
    else:
        click.echo(f"bursar eval: {gone} samples of {route} are deleted", err=True)


def _made(settings: Settings, wish: Wish) -> Outcome:
    """Carry a wish out, whole. Raises what the command ends with."""
    now_ns, order, book = time.time_ns(), wish.order, load_book(settings.prices)
    vault = open_vault(settings.deferrals_key_file)
    try:
        with open_for_reading(settings.db) as db:
            found = material(db, order.route, wish.samples, vault, now_ns)
    except MaterialError as error:
        raise _CannotStart(str(error)) from error
    reference = order.reference or found.model
    _check(order.candidate, reference, book)
    lossy = found.policy is not None and found.policy.lossy_for(order.route)
    terms = Terms.shipped(book, datetime.fromtimestamp(now_ns // 10**9, UTC).date(), lossy=lossy, batch=wish.batch)
    samples, unmeasured = measurable(found.samples, wish.score)
    if not samples:
        raise _CannotStart(f"none of the {len(found.samples)} samples is a measure: {next(iter(unmeasured))}")
    if order.reference is not None:
        samples, unmeasured = list(found.samples), Counter[str]()
    pairs, unasked = pairs_of(samples, order, terms, lambda: f"eval-{secrets.token_hex(12)}")
    ran = Ran(pairs, unasked, Purse(order.budget_nano))
    _announce(ran, found, reference)
    if pairs:
        _run(settings, _credential(settings, found, order.route), order, ran, terms, found)
    made = _told(wish, reference, ran, found, terms, now_ns, unmeasured)
    if made.verdict.scores and ran.stopped in _KEPT and not ran.broken:
        with Books(settings, f"eval-{secrets.token_hex(8)}", time.time_ns, found.policy) as books:
            books.keep(made.evaluation)
    return made


def _told(
    wish: Wish, reference: str, ran: Ran, found: Material, terms: Terms, now_ns: int, unmeasured: Counter[str]
) -> Outcome:
    """What a run says."""
    rerun = wish.order.reference is not None
    alike = (
        (
            there,
            reference,
            here if rerun else cached_alike(here, there, caches=pair.candidate.caches),
            wish.order.candidate,
        )
        for pair, there, here in usages(ran, found.recorded)
    )
    return Outcome(
        order=wish.order,
        reference=reference,
        ran=ran,
        verdict=judged(ran, wish.score, wish.bar, unmeasured),
        score=wish.named,
        sides=sides(alike, terms.book, terms.day),
        calls_per_day=found.calls_per_day,
        at_ns=now_ns,
        unmeasured=unmeasured.total(),
    )


def _run(settings: Settings, credential: Credential, order: Order, ran: Ran, terms: Terms, found: Material) -> None:
    asks = sum(len(pair.asks) for pair in ran.pairs)
    with stages() as begin, Books(settings, f"eval-{secrets.token_hex(8)}", time.time_ns, found.policy) as books:
        ready, answered, counted = begin("ready in batches", asks), begin("answers", asks), itertools.count(1)

        def on_answer(_: Answer) -> None:
            answered(next(counted))

        run = Run(order, ran, terms, books, time.time_ns, on_answer)
        asyncio.run(_carried_out(run, credential, ready))


async def _carried_out(run: Run, credential: Credential, counted: Done) -> None:
    async with httpx.AsyncClient() as client:
        await run.carry_out(Sender(Api(client, credential), run.told, counted=counted))


def _announce(ran: Ran, found: Material, reference: str) -> None:
    """What is about to be spent, before it is: on standard error."""
    worst, likely = (sum(getattr(pair, name) for pair in ran.pairs) for name in ("worst_nano", "likely_nano"))
    others = f"; {found.of_others} answered by another model are left out" if found.of_others else ""
    click.echo(
        f"bursar eval: {len(ran.pairs)} samples answered by {found.model}, held against {reference}{others}", err=True
    )
    click.echo(
        f"bursar eval: likely {usd(likely)} USD, {usd(worst)} USD in the worst case, "
        f"never more than {usd(ran.purse.limit)} USD",
        err=True,
    )


def _check(candidate: str, reference: str, book: PriceBook) -> None:
    names = [name for model in book.models for name in (model.id, *model.aliases)]
    for name in (candidate, reference):
        if book.find(name) is None:
            raise click.UsageError(
                f'"{name}" has no price, so no budget holds for it: {did_you_mean(name, names)}name a model of the '
                "price book, or add it to your price file"
            )
    if canonical(candidate).id == canonical(reference).id:
        raise click.UsageError(f"the samples were answered by {reference} itself: name another --candidate")


def _credential(settings: Settings, found: Material, route: str) -> Credential:
    """The route's own, where the policy names one; else the agent's."""
    known = credentials(settings.secrets, found.policy, _NAMED)
    named = found.policy.named(route) if found.policy is not None else None
    wanted = None if named is None else named.credential_env
    chosen = next((one for one in known if wanted is None or one.source == wanted), None)
    if chosen is None:
        raise _CannotStart(f"the API cannot be asked: set {wanted or 'ANTHROPIC_API_KEY'} to a key of it")
    return chosen
