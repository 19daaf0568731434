"""What became of one call: why was it treated as it was, and what did it cost, line by line?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.dashboard import calltables, words
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import NotThereError, Now, Page
from bursar.agent.explanation import Explained, explain
from bursar.agent.ledger import casefile, cases
from bursar.agent.ledger.casefile import CaseFile
from bursar.agent.ledger.cases import Case
from bursar.agent.ledger.life import Attempt, State
from bursar.policies.book import PriceBook
from bursar.policies.charge import Basis

_MOODS = {"block": "bad", "downgrade": "warn", "effort": "warn", "batch": "warn"}
_BASES = {
    Basis.USAGE: "by the API's own figures",
    Basis.SPAN: "by somebody's span",
    Basis.ESTIMATE: "a bound, not the API's figures",
    Basis.UNKNOWN: "not known",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision for the top of the page."""

    sentence: str
    mood: str
    """`bad` for a refusal, `warn` for a change, else nothing."""
    more: str = ""


def call_page(db: Database, asked: Asked, now: Now) -> Page:
    """One call under any of its names. Raises `NotThereError` where the ledger has nothing of that name."""
    case = cases.find(db, asked.name)
    if case is None:
        raise NotThereError(
            f"The ledger has no call, attempt, decision, request or message {asked.name!r}. "
            "What is older than attempts are kept is summed up and has no page."
        )
    explained = [explain(db, decision) for decision in case.decisions]
    around = casefile.gather(db, case)
    counting = [attempt for attempt in case.attempts if attempt.duplicate_of is None]
    data = {
        **_head(case, counting),
        "verdicts": _verdicts(explained, case),
        "explained": explained,
        "notes": list(_notes(case, around, now)),
        "names": list(_names(case)),
        "quoted": shlex.quote(case.call_id or asked.name),
    }
    return Page("call", _title(case), data, calltables.tables(case, around, asked))


def _title(case: Case) -> str:
    return case.call_id or case.attempts[0].attempt_id


def _head(case: Case, counting: Sequence[Attempt]) -> dict[str, object]:
    """What stands in the heading and the tiles."""
    first = case.decisions[0] if case.decisions else None
    last = counting[-1] if counting else None
    charges = [attempt.charge for attempt in counting if attempt.charge is not None]
    known = [charge.cost_nano_usd for charge in charges if charge.cost_nano_usd is not None]
    unknown = len(charges) - len(known)
    note = (
        f"{unknown} of {len(charges)} unknown"
        if unknown
        else ", ".join(dict.fromkeys(_BASES[c.basis] for c in charges))
    )
    if not charges:
        note = "in flight" if any(attempt.open for attempt in counting) else "it cost nothing"
    return {
        "route": first.route if first is not None else case.attempts[0].route,
        "at_ns": first.at_ns if first is not None else case.attempts[0].at_ns,
        "asked_model": first.model if first is not None else case.attempts[0].requested_model,
        "served": last.model if last is not None else None,
        "cost": sum(known) if known or not charges else None,
        "cost_note": note,
        "took": last.duration_ns if last is not None else None,
        "first": last.first_token_ns if last is not None else None,
        "attempts": len(case.attempts),
        "state": last.state.value if last is not None else "refused before it was sent",
    }


def _verdicts(explained: Sequence[Explained], case: Case) -> list[Verdict]:
    """Each decision in a sentence; of a call that nobody decided about, how it is known."""
    if explained:
        # A call that is tried again is decided about again, mostly alike.
        told = {one.sentence: one.decision.action for one in explained}
        return [Verdict(sentence, _MOODS.get(action, ""), _more(case)) for sentence, action in told.items()]
    return [Verdict("No process told of a decision about this call: it is known by its result or a span alone.", "")]


def _more(case: Case) -> str:
    failed = [attempt for attempt in case.attempts if attempt.failure]
    return f"{len(failed)} of {len(case.attempts)} attempts failed: {failed[-1].failure}." if failed else ""


def _names(case: Case) -> Iterator[tuple[str, str]]:
    """Every name that it is found under, and its labels."""
    if case.call_id:
        yield "call", case.call_id
    for decision in case.decisions:
        if decision.id not in {attempt.attempt_id for attempt in case.attempts}:
            yield "decision", str(decision.figures.get("decision_id") or decision.id)
    for attempt in case.attempts:
        yield "attempt", attempt.attempt_id
        for name, value in (("request", attempt.request_id), ("message", attempt.response_id)):
            if value:
                yield name, value
    labels = case.attempts[0].labels if case.attempts else case.decisions[0].labels
    for name, value in sorted(labels.items()):
        yield f"label {name}", value


def _notes(case: Case, around: CaseFile, now: Now) -> Iterator[str]:
    """What the figures could not see, and what the call is part of."""
    yield from _book(case, now.prices)
    for attempt in case.attempts:
        yield from _notes_of(attempt)
    yield from (f"{double} has the same response, and counts under this call." for double in around.doubles)
    for put in around.put_off:
        batch = "" if put.batch is None else f" in batch {put.batch.api_id or put.batch.id}"
        due = words.at(put.deferral.due_ns, now.tz)
        yield f"It was put off{batch}: {put.deferral.told.value.replace('_', ' ')}, due {due}."


def _book(case: Case, prices: PriceBook) -> Iterator[str]:
    """Which price book has the rows that the charge was computed from."""
    charges = [attempt.charge for attempt in case.attempts if attempt.charge is not None]
    used = dict.fromkeys(line.price_id for charge in charges for line in charge.lines if line.price_id)
    known = {row.id for model in prices.models for row in model.rows}
    as_of = f", as of {prices.as_of}" if prices.as_of is not None else ""
    if used and used.keys() <= known:
        yield f"Its price rows are those of the book in force: {prices.source}{as_of}."
    for row in used.keys() - known:
        yield f"The book in force ({prices.source}{as_of}) has no row {row}: it was priced by another one."


def _notes_of(attempt: Attempt) -> Iterator[str]:
    name, charge, stage = attempt.attempt_id, attempt.charge, attempt.stage
    if charge is not None:
        yield from (f"Not seen in {name}: {missing}" for missing in charge.missing)
        if charge.modifiers:
            yield f"What moved the price of {name} off the list: {', '.join(charge.modifiers)}"
    if attempt.told_nano is not None:
        yield f"Its sender itself holds that it cost {words.exact_money(attempt.told_nano)}: counted nowhere."
    if attempt.duplicate_of is not None:
        yield f"{name} has the same response as {attempt.duplicate_of}, under which it counts once."
    if stage is not None:
        because = f", because of {stage.why}" if stage.why else ""
        yield f"It is the {stage.name} stage of cascade {stage.cascade}{because}."
    if attempt.state is State.ORPHANED:
        yield f"The process of {name} ended before it could tell: its bound counts until its usage turns up."
