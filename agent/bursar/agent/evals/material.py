"""What is there to make an eval of a route with: its samples, their model, what it used, its rules and its volume?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlite_utils import Database

from bursar.agent.batching.vault import Vault
from bursar.agent.evals.run import Known
from bursar.agent.ledger import attempts, overridebook, recentuse, samplebook
from bursar.agent.ledger.samplebook import Kept
from bursar.policies.charge import Basis
from bursar.policies.models import canonical
from bursar.policies.overrides import from_text, with_overrides
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.usage import Usage


class MaterialError(Exception):
    """There is nothing to make an eval with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Material:
    """All that is read before a run."""

    samples: tuple[Known, ...]
    model: str
    """The one that answered them."""
    of_others: int
    """How many samples more were answered by another model, and are left out."""
    recorded: Mapping[str, Usage]
    """By attempt, what the answer used, as far as the ledger has it."""
    calls_per_day: Fraction
    policy: Policy | None
    """The rules that processes go by."""


def material(db: Database, route: str, count: int, vault: Vault, now_ns: int) -> Material:
    """As many samples as there are, up to `count`. Raises `MaterialError`, and `VaultError` without their key."""
    kept = samplebook.found(db, route)
    if not kept:
        raise MaterialError(_none(db, route))
    model = _commonest(kept)
    of_it = [one for one in kept if canonical(one.model) == canonical(model)]
    chosen = of_it[:count]
    recorded = _recorded(db, chosen)
    return Material(
        samples=tuple(_known(one, vault, recorded.get(one.attempt_id)) for one in chosen),
        model=model,
        of_others=len(kept) - len(of_it),
        recorded=recorded,
        calls_per_day=recentuse.calls_per_day(db, route, now_ns),
        policy=_policy(db),
    )


def _commonest(kept: Sequence[Kept]) -> str:
    """The model that answered most of them, under the id that it answered by most often."""
    names = Counter(canonical(one.model).id for one in kept)
    name = max(names, key=lambda known: names[known])
    return Counter(one.model for one in kept if canonical(one.model).id == name).most_common(1)[0][0]


def _known(one: Kept, vault: Vault, used: Usage | None) -> Known:
    request, answer = vault.open(one.request), vault.open(one.answer)
    return Known(one.attempt_id, one.model, one.betas, request, answer, None if used is None else used.output)


def _recorded(db: Database, chosen: Sequence[Kept]) -> dict[str, Usage]:
    found = ((one.attempt_id, attempts.load(db, one.attempt_id)) for one in chosen)
    return {
        attempt_id: attempt.charge.usage
        for attempt_id, attempt in found
        if attempt is not None and attempt.charge is not None and attempt.charge.basis is Basis.USAGE
    }


def _policy(db: Database) -> Policy | None:
    snapshot = overridebook.latest_rules(db)
    if snapshot is None or snapshot.policy is None:
        return None
    return with_overrides(parse_policy(snapshot.policy, file=snapshot.file), from_text(snapshot.overrides or "[]"))


def _none(db: Database, route: str) -> str:
    known = ", ".join(f"{stock.route} ({stock.samples})" for stock in samplebook.stocks(db))
    there = f" There are samples of {known}." if known else ""
    return (
        f'no sample of the route {route} is kept: write capture = "eval 500" under its [[route]] in the policy, and '
        f"wait for its calls.{there}"
    )
