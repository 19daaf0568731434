"""How old are the prices, who says what models accept, and which models that are used will be gone?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

from bursar.agent.commands.pricing import load_book
from bursar.agent.doctor.finding import Finding, State, Surroundings
from bursar.agent.doctor.told import told_policy, told_snapshot
from bursar.agent.ledger import LedgerError, glance, open_for_reading
from bursar.agent.settings import ModelsApi
from bursar.policies.capabilities import MODELS_API, shipped_as_of, told_by_models_api
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook, PriceBookError
from bursar.policies.protocol import Snapshot

BOOK_DAYS = 60
"""Prices change every few weeks: a book older than this is worth a look."""
NOTICE_DAYS = 60
"""How long before its retirement a model is named: what Anthropic gives as notice at least."""
RECENT_DAYS = 7
"""How far back the ledger is looked at for models in use."""


def prices(around: Surroundings) -> Iterator[Finding]:
    """The book, and what depends on it."""
    try:
        book = load_book(around.settings.prices)
    except PriceBookError as error:
        yield Finding("prices", State.FAIL, str(error), "correct the file that BURSAR_PRICES names")
        return
    yield judge_book(book, around.today)
    snapshot = told_snapshot(around.settings.state_dir)
    yield judge_models(snapshot, around.settings.models_api)
    yield from retiring(told_policy(snapshot), book, around.today)
    yield from in_use(_recent_models(around.settings.db, around.now_ns), book, around.today)


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
    names = {name for ladder in (policy.ladder, *(route.ladder or () for route in policy.routes)) for name in ladder}
    found = list(_ending("ladders", names, book, today, "put its successor into the policy's ladder"))
    yield from found
    if not found:
        yield Finding("ladders", State.OK, f"{len(names)} models, none to be retired soon")


def in_use(names: Iterable[str], book: PriceBook, today: date) -> Iterator[Finding]:
    """The same of the models that calls were served by lately; nothing where there were none."""
    used = set(names)
    remedy = "name its successor in the application: `bursar report --by route,model` says where"
    found = list(_ending("models in use", used, book, today, remedy))
    yield from found
    if used and not found:
        yield Finding("models in use", State.OK, f"{len(used)} in {RECENT_DAYS} days, none to be retired soon")


def _ending(what: str, names: Iterable[str], book: PriceBook, today: date, remedy: str) -> Iterator[Finding]:
    ends = {name: model.retirement for name in sorted(names) if (model := book.find(name)) is not None}
    for name, end in ends.items():
        if end is not None and end - today <= timedelta(NOTICE_DAYS):
            gone = end <= today
            state, verb = (State.FAIL, "was retired on") if gone else (State.WARN, "will be retired on")
            yield Finding(what, state, f"{name} {verb} {end}", remedy)


def _recent_models(db: Path, now_ns: int) -> list[str]:
    try:
        with open_for_reading(db) as ledger:
            return glance.recent_models(ledger, now_ns - RECENT_DAYS * 86_400 * 10**9)
    except LedgerError:
        return []


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
