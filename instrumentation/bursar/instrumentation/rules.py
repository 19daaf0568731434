"""The rules this process goes by: policy and prices, built whole and swapped in one assignment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry import baggage, trace

from bursar.instrumentation.errand import DAY_NS, utc_day
from bursar.instrumentation.fallback import estimator
from bursar.instrumentation.quiet import tell_once
from bursar.policies import cachemarks
from bursar.policies.book import PriceBook
from bursar.policies.cachemarks import Marking, MarksError
from bursar.policies.capabilities import Capabilities, shipped_capabilities, told_by_models_api
from bursar.policies.licence import Licences
from bursar.policies.licence import from_text as licences_from_text
from bursar.policies.models import canonical
from bursar.policies.overrides import from_text, with_overrides
from bursar.policies.policy import Mode, Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.pricefile import parse_book, shipped_book
from bursar.policies.protocol import ProtocolError, Snapshot, snapshot_from_json
from bursar.policies.rates import Offer, UnpricedError, offers_for
from bursar.policies.route import Capture, Find, find_route
from bursar.policies.windows import OWN_WINDOWS

SNAPSHOT_FILE = "snapshot.json"
MEMORY = 4_096
"""Callers whose routes are remembered."""
_UNKNOWN: Any = object()


class Offered(NamedTuple):
    """What a call on a model is estimated by."""

    tiers: tuple[Offer, ...]
    new_tokenizer: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy, if any is known, and the price book."""

    book: PriceBook
    policy: Policy | None = None
    heard: bool = False
    """Whether an agent ever told its rules, on this run or the last: without that, `policy` says nothing."""
    known: Mapping[str, Capabilities] = field(default_factory=shipped_capabilities, repr=False)
    """What each model accepts, by canonical name."""
    belongs: frozenset[str] = frozenset()
    """Whether the policy asks for a call's `conversation`, and for its `run`."""
    puts_off: bool = False
    """Whether any step of the policy puts calls off."""
    salt: str = ""
    """Under which credentials are named; empty where the agent puts nothing off."""
    credentials: frozenset[str] = frozenset()
    """The names of those that the agent submits batches with."""
    markings: Mapping[tuple[str, str], Marking] = field(default_factory=dict[tuple[str, str], Marking])
    """By route and canonical model, the cache marks that requests are given; none where the policy only observes."""
    fingerprint_key: str = ""
    """Under which blocks of prompts are hashed, in hex; empty where nobody wants fingerprints."""
    captures: Mapping[str, Capture] = field(default_factory=dict[str, Capture], repr=False)
    """By route, how many of its calls are kept with their content."""
    licences: Licences = field(default_factory=dict[Any, Any], repr=False)
    """What the newest evals said of models on routes."""
    _by_code: dict[tuple[str, str], str | None] = field(
        default_factory=dict[tuple[str, str], "str | None"], init=False, repr=False, compare=False
    )
    """Routes found before by caller and service, where a policy's rules look at nothing else."""
    _offered: dict[tuple[str, str | None, int], Offered | None] = field(
        default_factory=dict[tuple[str, "str | None", int], "Offered | None"], init=False, repr=False, compare=False
    )
    """What was offered before, by model, region and day."""

    def offered(self, model: str, region: str | None, at_ns: int) -> Offered | None:
        """What a model costs on the day of an instant at its usual speed and place; None without a price."""
        terms = (model, region, at_ns // DAY_NS)
        known: Offered | None = self._offered.get(terms, _UNKNOWN)
        if known is not _UNKNOWN:
            return known
        try:
            offers = offers_for(self.book, (model, utc_day(at_ns), False, False, None, region, False))
            found = Offered(offers, new_tokenizer=self.new_tokenizer(model))
        except UnpricedError:
            found = None
        if len(self._offered) >= MEMORY:
            self._offered.clear()
        self._offered[terms] = found
        return found

    def new_tokenizer(self, model: str) -> bool:
        """Whether a model counts more tokens for the same text than those before 4.7 did; unknown ones may."""
        facts = self.book.find(model)
        return facts is None or facts.tokenizer != "old"

    def find_route(self, caller: str, service: str) -> str | None:
        """
        The policy's route for a call made just now, or None.

        By its caller (`module:function`), the enclosing span's name and `http.route`, baggage and the service's name.
        """
        if self.policy is None:
            return None
        by_code = (caller, service)
        known: str | None = self._by_code.get(by_code, _UNKNOWN)  # one step: another thread may forget it after any
        if known is not _UNKNOWN:
            return known
        found = self._find_route(self.policy, caller, service)
        if all(_asks_for_code_alone(route.find) for route in self.policy.routes):
            if len(self._by_code) >= MEMORY:
                self._by_code.clear()
            self._by_code[by_code] = found
        return found

    def _find_route(self, policy: Policy, caller: str, service: str) -> str | None:
        if not any(route.find for route in policy.routes):
            return None
        span = trace.get_current_span()
        name: object = getattr(span, "name", None)
        attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
        http_route = attributes.get("http.route")
        found = find_route(
            policy.routes,
            code=caller,
            http_route=http_route if isinstance(http_route, str) else None,
            span=name if isinstance(name, str) else None,
            baggage=baggage.get_all(),
            service=service or None,
        )
        return found.name if found is not None else None


def _asks_for_code_alone(find: Find | None) -> bool:
    return find is None or (find.span is None and find.http_route is None and find.baggage is None)


def shipped_rules(prices_file: Path | None) -> Rules:
    """No policy, and the shipped price book with the user's file on top. A bad file is told and left out."""
    book = shipped_book().with_fallback(estimator())
    if prices_file is None:
        return Rules(book)
    try:
        return Rules(book.extended(parse_book(prices_file.read_text(encoding="utf-8"), source=str(prices_file))))
    except (OSError, ValueError) as error:  # a PriceBookError is one, and so is text that is no UTF-8
        tell_once("prices", f"bursar: {prices_file} is not used: {error}")
        return Rules(book)


def rules_of(snapshot: Snapshot, fallback: Rules) -> Rules:
    """
    The rules of an agent's snapshot.

    An agent newer than this process may send what it cannot read: then the rules before stay in force, told once.
    """
    try:
        policy = parse_policy(snapshot.policy, file=snapshot.file) if snapshot.policy is not None else None
        if policy is not None:
            policy = with_overrides(replace(policy, id=snapshot.id), from_text(snapshot.overrides or "[]"))
        book = fallback.book
        if snapshot.prices:
            shipped = shipped_book().with_fallback(fallback.book.fallback)
            book = shipped.extended(parse_book(snapshot.prices, source="the agent's prices"))
    except (PolicyError, ValueError) as error:
        tell_once("snapshot", f"bursar: the agent's rules cannot be read here, those before stay in force: {error}")
        return fallback
    windows = {budget.every for budget in policy.budgets} if policy is not None else set[str]()
    return Rules(
        book,
        policy,
        heard=True,
        known=_known(snapshot),
        belongs=frozenset(windows.intersection(OWN_WINDOWS)),
        puts_off=policy is not None and policy.puts_off,
        salt=snapshot.salt,
        credentials=frozenset(snapshot.credentials),
        markings=_markings(snapshot, policy),
        fingerprint_key=snapshot.fingerprint_key,
        captures={} if policy is None else policy.captures,
        licences=_licences(snapshot),
    )


def _licences(snapshot: Snapshot) -> Licences:
    """What evals said; nothing where that cannot be read here, so that no call is moved on the strength of it."""
    try:
        return licences_from_text(snapshot.licences or "[]")
    except ValueError as error:
        tell_once("licences", f"bursar: {error}; calls that need an eval stay on their model")
        return {}


def _known(snapshot: Snapshot) -> Mapping[str, Capabilities]:
    """What models accept; the shipped facts where the agent says no more, or nothing that can be read here."""
    if snapshot.models is None:
        return shipped_capabilities()
    try:
        return told_by_models_api(snapshot.models)
    except ValueError as error:
        tell_once("models", f"bursar: what the agent says of models cannot be read here: {error}")
        return shipped_capabilities()


def _markings(snapshot: Snapshot, policy: Policy | None) -> Mapping[tuple[str, str], Marking]:
    if snapshot.markings is None or policy is None or policy.mode is not Mode.ENFORCE:
        return {}
    try:
        found = cachemarks.from_text(snapshot.markings)
    except MarksError as error:
        tell_once("markings", f"bursar: no cache marks are added, the agent's cannot be read here: {error}")
        return {}
    automatic = {route.name for route in policy.routes if route.cache == "auto"}
    return {(one.route, canonical(one.model).id): one for one in found if one.route in automatic}


def load_snapshot(state_dir: Path) -> Snapshot | None:
    """The last snapshot that any process here was given; None where there is none that can be read."""
    try:
        return snapshot_from_json(json.loads((state_dir / SNAPSHOT_FILE).read_text()))
    except (OSError, ValueError, ProtocolError):
        return None


def keep_snapshot(state_dir: Path, snapshot: Snapshot) -> None:
    """Write a snapshot for the next process, whole or not at all. A folder that cannot be written is passed over."""
    target = state_dir / SNAPSHOT_FILE
    draft = state_dir / f".{SNAPSHOT_FILE}.{os.getpid()}"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(snapshot)))
        draft.replace(target)
    except OSError as error:
        tell_once("keep-snapshot", f"bursar: the rules could not be kept in {target} ({error.strerror or error}).")
