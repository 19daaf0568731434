"""Which tables stand on a route's page?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from bursar.agent.dashboard import routewords
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.prefixes import Prefixes, Stretch
from bursar.agent.dashboard.routeadvice import RouteAdvice
from bursar.agent.dashboard.table import Column, Kind, Row, Table, Value
from bursar.agent.ledger import sumbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.ledger.routebook import LastCall
from bursar.agent.ledger.sumbook import Spend

_MODELS = (
    Column("requested", "Asked for", whole=True),
    Column("served", "Served", whole=True),
    Column("calls", "Calls", Kind.COUNT),
    Column("cost", "Cost", Kind.MONEY),
    Column("per_call", "Per call", Kind.MONEY, "What a call costs on average"),
    Column("cached", "Cached", Kind.SHARE, "Of the prompt tokens, those that were read from the cache"),
    Column("batch", "By batch", Kind.SHARE, "Of the charges, those of Message Batches"),
    Column("errors", "Errors", Kind.SHARE, "Of the attempts that are over, those that failed"),
    Column("refused", "Refused", Kind.COUNT, "Calls that a budget kept back"),
)
_CALLS = (
    Column("at", "Sent", Kind.INSTANT, sortable=False),
    Column("model", "Model", sortable=False, whole=True),
    Column("became", "What became of it", sortable=False, whole=True),
    Column("call_cost", "Cost", Kind.MONEY, sortable=False),
    Column("prompt", "Prompt tokens", Kind.COUNT, sortable=False),
    Column("read", "Cached", Kind.SHARE, sortable=False),
    Column("output", "Answer tokens", Kind.COUNT, sortable=False),
    Column("took", "Took", Kind.DURATION, sortable=False),
)
_STRETCHES = (
    Column("stretch", "Stretch", sortable=False, whole=True),
    Column("tokens", "Tokens", Kind.COUNT, "Of a typical prompt that has it", sortable=False),
    Column("prompts", "Prompts with it", Kind.COUNT, sortable=False),
    Column("alike", "Alike in", Kind.SHARE, "Prompts that are the same from the beginning to its end", sortable=False),
    Column("versions", "Versions", Kind.COUNT, "How many different beginnings end there", sortable=False),
    Column("shared", "Shared", sortable=False, whole=True),
    Column("marked", "Marks that stand", sortable=False, whole=True),
    Column("advised", "Marks advised", sortable=False, whole=True),
)
_ADVICE = (
    Column("id", "Id", sortable=False),
    Column("about", "About", sortable=False),
    Column("for_model", "Model", sortable=False),
    Column("from", "From, a day", Kind.MONEY, sortable=False),
    Column("expected", "Expected, a day", Kind.MONEY, sortable=False),
    Column("to", "To, a day", Kind.MONEY, sortable=False),
    Column("text", "What to do", sortable=False),
)
_MARKINGS = (
    Column("marks", "Marks", sortable=False),
    Column("on_model", "Model", sortable=False),
    Column("state", "State", sortable=False),
    Column("since", "Since", Kind.INSTANT, sortable=False),
    Column(
        "predicted", "Predicted", Kind.SHARE, "Of what its prompts cost, what they were said to save", sortable=False
    ),
    Column("seen", "Seen", Kind.SHARE, "What they saved beyond the conversations held out", sortable=False),
    Column("told", "What was seen", sortable=False),
)
_STATES: Final = {State.PULLED: "on trial", State.KEPT: "in force", State.TAKEN_BACK: "taken back"}
_BECAME: Final = {"held": "in flight", "sent": "in flight", "provisional": "in flight"}
_ALL, _MOST = 0.95, 0.5


def models_table(rows: Iterable[sumbook.Row], asked: Asked) -> Table:
    """What was asked for and what was served, of sums by both and by whether they went in a batch."""
    spends: dict[tuple[str, str], Spend] = {}
    batched: dict[tuple[str, str], int] = {}
    for row in rows:
        requested, served, batch = row.key
        spends[requested, served] = spends.get((requested, served), Spend()) + row.spend
        if batch:
            batched[requested, served] = batched.get((requested, served), 0) + row.spend.charges
    listed = [
        Row(
            {
                "requested": requested or None,
                "served": served or None,
                "calls": spend.calls,
                "cost": spend.nano,
                "per_call": spend.cost_per_call_nano,
                "cached": spend.cache_share,
                "batch": batched.get((requested, served), 0) / spend.charges if spend.charges else None,
                "errors": spend.error_share,
                "refused": spend.refusals,
            }
        )
        for (requested, served), spend in spends.items()
    ]
    empty = "No call in this time. Look at a longer one above."
    return Table("models", "Models", _MODELS, tuple(listed), empty).sorted_by(asked.sort, "-cost")


def calls_table(calls: Iterable[LastCall], asked: Asked) -> Table:
    """The newest calls, each leading to its page."""
    rows = tuple(_call(call, asked) for call in calls)
    empty = "None in this time, or none that is kept one by one: what is older than thirty days is in the sums alone."
    return Table("calls", "Last calls", _CALLS, rows, empty)


def stretches_table(told: Prefixes | None) -> Table:
    """What the picture of the prompts shows, part by part in their order."""
    rows = () if told is None else tuple(_stretch(one, told.prompts) for one in told.stretches)
    return Table("stretches", "The same, part by part", _STRETCHES, rows, "There is no prompt to show.")


def markings_table(pulled: Iterable[Pulled]) -> Table:
    """The marks that Bursar added by itself, with what was predicted of them and seen."""
    rows = [
        Row(
            {
                "marks": ", ".join(map(str, one.marking.marks)),
                "on_model": one.marking.model,
                "state": _STATES[one.state],
                "since": one.at_ns,
                "predicted": one.predicted,
                "seen": one.realised,
                "told": one.reason or None,
            }
        )
        for one in pulled
    ]
    return Table("markings", "Marks that Bursar added", _MARKINGS, tuple(rows))


def advice_table(advice: RouteAdvice | None) -> Table:
    """What is advised, for a spreadsheet."""
    pieces = () if advice is None else (*advice.pieces, *advice.otherwise)
    rows = [
        Row(
            {
                "id": one.id,
                "about": one.title,
                "for_model": one.model or None,
                "from": one.low,
                "expected": one.expected,
                "to": one.high,
                "text": one.text,
            }
        )
        for one in pieces
    ]
    return Table("advice", "What it could save", _ADVICE, tuple(rows))


def _stretch(one: Stretch, prompts: int) -> Row:
    return Row(
        {
            "stretch": one.name,
            "tokens": one.tokens,
            "prompts": one.prompts,
            "alike": one.alike / one.prompts,
            "versions": one.versions,
            "shared": _shared(one.alike / prompts),
            "marked": one.marked or None,
            "advised": one.advised or None,
        }
    )


def _call(call: LastCall, asked: Asked) -> Row:
    cells: dict[str, Value] = {
        "at": call.at_ns,
        "model": _models([call.requested_model, call.model]),
        "became": _became(call),
        "call_cost": call.cost_nano,
        "prompt": call.prompt,
        "read": call.cache_read / call.prompt if call.prompt else None,
        "output": call.output,
        "took": call.duration_ns,
    }
    return Row(cells, asked.link(f"/calls/{quote(call.attempt_id, safe='')}"))


def _models(names: Sequence[str]) -> str:
    return " → ".join(dict.fromkeys(routewords.short_model(name) for name in names if name))


def _became(call: LastCall) -> str:
    state = _BECAME.get(call.state, call.state)
    told = [state, call.failure or "", "" if call.action in ("", "go") else call.action]
    return ", ".join(part for part in told if part)


def _shared(share: float) -> str:
    if share >= _ALL:
        return "by all"
    return "by most" if share >= _MOST else "by few"
