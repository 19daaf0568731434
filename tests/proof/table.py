"""The tables of docs/plan.md, out of what the cells come to: `python -m tests.proof.table` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.proof.cells import NAMES, Cell, cells
from tests.proof.requests import REQUESTS

from bursar.policies.changes import Change
from bursar.policies.plan import Misfit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plan.md"
MOVES = (
    ("claude-opus-5-5", "claude-sonnet-5-5"),
    ("claude-opus-5-5", "claude-haiku-5-5"),
    ("claude-sonnet-5-5", "claude-haiku-5-5"),
    ("claude-sonnet-4-6", "claude-haiku-5-5"),
    ("claude-sonnet-4-6", "claude-haiku-4-5-20251001"),
)
HEAD = """<!-- Written by `python -m tests.proof.table`. Do not edit. -->
# How a request changes to fit another model

Before a downgrade `policies/plan.py` plans the request onto the other model: parameters that it takes in another form,
or not at all, are changed, and each change is recorded; or the request does not fit, and the rung is skipped with the
reason. Content is never changed, what is forced (a tool, a region for the data) neither, and `max_tokens` is never
raised. What a plan may do:

On every route, since nothing is lost:

- `max_tokens` down to the model's ceiling, though not below what the route needs;
- thinking in the model's own form: `adaptive`, `enabled` with half of the output as its budget, `disabled`,
  `between_tools`; turned off, or asked for, where the first model did so unasked;
- left out, what is the model's default anyway (effort high, temperature 1, speed standard), and betas that have no
  effect on it.

On routes with `lossy = true` also:

- thinking, and what earlier turns thought where the model does not read it (the API then leaves it out);
- effort, down to a level that the model has; sampling parameters; fast mode; a beta.

What each model takes stands, with the page it is from, in `policies/shipped/capabilities.toml`; limits in
`prices.toml`. Where the agent's environment has an Anthropic credential it asks the Models API once a day (bounded in
time, and quietly going on by what is shipped where that does not answer): what it says of limits, thinking, effort,
structured outputs, images, PDFs, citations, server tools and retirement goes before what is shipped, and reaches
every process with the rules. It knows nothing of prefill, forced tools or sampling. `bursar doctor` says whose word
holds.
What nobody knows of a model is taken for a no: a model of your own price file takes plain requests once its
`max_output` and `context_window` are given. A prompt counts as too long where its UTF-8 bytes, of which it has more
than tokens, might not fit, unless the window holds whatever the other one held (with 1.35 new tokens for an old one).
`cache_control` marks stay; where the prompt is below the model's minimum its price is taken without the cache.

The proof: each of {requests} requests, from each of the {models} models that takes it to every other. The sandbox
judges by tables of its own; {cells:,} cells, of which {plans:,} have a plan. **{refused} of the planned requests
are refused.**

"""
BY_MOVE = """## On some ladders

What a route that may lose something would send: `as it is`, the changes (*in italics* those that lose something), or
why it does not fit. A dash: the request is not valid for the first model.

"""
BY_FEATURE = """
## Over all models

Pairs of models; `without loss` holds on every route, `lossy` needs `lossy = true`.

"""


def page() -> str:
    """The whole page."""
    found = cells()
    plans = [cell for cell in found if not isinstance(cell.outcome, Misfit)]
    refused = sum(cell.refusal is not None for cell in found)
    head = HEAD.format(
        requests=len(REQUESTS), models=len(NAMES), cells=len(found), plans=len(plans), refused=refused or "None"
    )
    return head + BY_MOVE + table(by_move(found)) + BY_FEATURE + table(by_feature(found))


def table(rows: Iterable[list[str]]) -> str:
    """Rows in Markdown, the first of them the heads."""
    head, *rest = rows
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rest))


def by_move(found: Iterable[Cell]) -> Iterator[list[str]]:
    """One row a request, one column a move."""
    known = {(cell.asking.name, cell.source, cell.target): cell for cell in found}
    yield ["request", *(f"{short(source)} to {short(target)}" for source, target in MOVES)]
    for asking in REQUESTS:
        moves = (known.get((asking.name, source, target)) for source, target in MOVES)
        yield [asking.name, *("–" if cell is None else outcome(cell) for cell in moves)]


def by_feature(found: Iterable[Cell]) -> Iterator[list[str]]:
    """One row a request: how many pairs, and why the rest does not fit."""
    yield ["request", "pairs", "without loss", "lossy", "no fit"]
    found = tuple(found)
    for asking in REQUESTS:
        own = [cell for cell in found if cell.asking is asking]
        reasons = Counter(cell.outcome.value for cell in own if isinstance(cell.outcome, Misfit))
        lossy = sum(cell.lossy for cell in own)
        told = "; ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "–"
        yield [asking.name, str(len(own)), str(len(own) - lossy - reasons.total()), str(lossy), told]


def outcome(cell: Cell) -> str:
    """What becomes of a request."""
    if isinstance(cell.outcome, Misfit):
        return f"no: {cell.outcome.value}"
    return "; ".join(map(told, cell.outcome.notes)) or "as it is"


def told(note: Change) -> str:
    """One change."""
    after = "left out" if note.after is None else shown(note.after)
    text = f"{note.parameter} {after}".replace("messages.thinking left out", "earlier thinking left out")
    return f"*{text}*" if note.lossy else text


def shown(value: object) -> str:
    """A value of a parameter, shortly."""
    if isinstance(value, dict):
        return ", ".join(str(each) for each in value.values() if not isinstance(each, dict))  # pyright: ignore
    return f"{value:,}" if isinstance(value, int) else str(value)


def short(model: str) -> str:
    """`Opus 5.5`."""
    _, family, *version = model.split("-")
    return f"{family.title()} {'.'.join(part for part in version if len(part) < 3)}"


if __name__ == "__main__":
    PAGE.write_text(page())
