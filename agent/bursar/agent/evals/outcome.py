"""What is told of an eval, on a terminal and as JSON?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bursar.agent.evals.likeforlike import Side
from bursar.agent.evals.run import Order, Ran
from bursar.agent.evals.verdict import Scored, Verdict
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.evalbook import Evaluation
from bursar.agent.ledger.samplebook import Stock
from bursar.policies.amounts import usd
from bursar.policies.licence import DAYS

EXCERPT = 300
"""Signs of an answer that are shown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run and what it says."""

    order: Order
    reference: str
    ran: Ran
    verdict: Verdict
    score: str
    sides: tuple[Side, Side] | None
    """Reference and candidate."""
    calls_per_day: Fraction
    at_ns: int
    unmeasured: int = 0
    """Samples that were no measure, and not run."""

    @property
    def evaluation(self) -> Evaluation:
        """As it is kept: without any content."""
        verdict, ran = self.verdict, self.ran
        return Evaluation(
            route=self.order.route,
            candidate=self.order.candidate,
            reference=self.reference,
            at_ns=self.at_ns,
            samples=len(ran.answered) + ran.unasked.total() + self.unmeasured,
            scored=len(verdict.scores),
            agreement=verdict.agreement,
            low=verdict.low,
            high=verdict.high,
            bar=verdict.bar,
            passed=verdict.passed,
            score=self.score,
            cost_nano=ran.purse.spent,
            detail=self._detail(),
        )

    @property
    def saving_per_day(self) -> int | None:
        """What the candidate would save on all calls of the route, in nano-dollars; negative where it is dearer."""
        if self.sides is None:
            return None
        here, there = self.sides
        return round((here.nano - there.nano) * self.calls_per_day)

    def _detail(self) -> dict[str, Any]:
        ran, verdict = self.ran, self.verdict
        costs = (
            None if self.sides is None else dict(zip(("reference", "candidate"), map(_told, self.sides), strict=True))
        )
        return {
            "unasked": {str(why): count for why, count in sorted(ran.unasked.items())},
            "unscored": dict(verdict.unscored),
            "faults": dict(verdict.faults),
            "cost_per_call": costs,
            "calls_per_day": round(float(self.calls_per_day), 2),
            "saving_nano_usd_per_day": self.saving_per_day,
            "rerun_reference": self.order.reference is not None,
            "stopped": ran.stopped,
        }


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "route": evaluation.route,
        "candidate": evaluation.candidate,
        "reference": evaluation.reference,
        "at": iso(evaluation.at_ns),
        "samples": evaluation.samples,
        "scored": evaluation.scored,
        "agreement": evaluation.agreement,
        "low": evaluation.low,
        "high": evaluation.high,
        "bar": evaluation.bar,
        "passed": evaluation.passed,
        "score": evaluation.score,
        "nano_usd": evaluation.cost_nano,
        **evaluation.detail,
    }


def render(outcome: Outcome, shown: int) -> Iterator[RenderableType]:
    """What a terminal shows; of the worst disagreements so many, with the beginnings of their texts."""
    made, verdict, ran = outcome.evaluation, outcome.verdict, outcome.ran
    yield Text(f"{made.route}: {made.candidate} against {made.reference}, by {made.score}", style="bold")
    if verdict.scores:
        yield Text(
            f"Agreement {_percent(made.agreement)} of {made.scored} samples; "
            f"95% interval {_percent(made.low)} to {_percent(made.high)}, bar {_percent(made.bar)}."
        )
    else:
        yield Text("No sample could be scored, so nothing is said of the candidate.")
    for label, counts in (
        ("not asked, since the request does not fit", {str(why): n for why, n in ran.unasked.items()}),
        ("answered without a whole answer, which counts as disagreement", verdict.faults),
        ("without a score", verdict.unscored),
    ):
        yield from (Text(f"{count} {label}: {why}") for why, count in sorted(counts.items()))
    if outcome.sides is not None:
        yield _costs(outcome, *outcome.sides)
    yield Text(f"The run cost {usd(ran.purse.spent)} USD of {usd(ran.purse.limit)} USD.{_stopped(ran)}")
    yield _conclusion(outcome)
    for one in verdict.worst(shown):
        yield from _shown(one)


def listed(evaluations: Sequence[Evaluation], stocks: Sequence[Stock]) -> Iterator[RenderableType]:
    """What evals were made, and what is kept to make more."""
    if evaluations:
        table = Table(title="Evals", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("route and candidate", "reference", "agreement", "at", ""):
            table.add_column(title, overflow="fold")
        for one in evaluations:
            agreement = f"{_percent(one.agreement)}\n({_percent(one.low)} to {_percent(one.high)})"
            state = Text("passed", "green") if one.passed else Text("failed", "red")
            table.add_row(f"{one.route}\n{one.candidate}", one.reference, agreement, iso(one.at_ns)[:10], state)
        yield table
    else:
        yield Text("No eval was made yet.")
    for stock in stocks:
        yield Text(
            f"{stock.samples:,} samples of {stock.route} are kept since {iso(stock.oldest_ns)}, {stock.bytes:,} bytes."
        )


def _costs(outcome: Outcome, reference: Side, candidate: Side) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("mean call, same cache")
    for title in (outcome.reference, outcome.order.candidate):
        table.add_column(title, justify="right", overflow="fold")
    table.add_row("cost, USD", *(usd(round(side.nano)) for side in (reference, candidate)))
    for name in reference.usage:
        if reference.usage[name] or candidate.usage[name]:
            title = f"{name.replace('_', ' ')} tokens"
            table.add_row(title, *(f"{float(side.usage[name]):,.0f}" for side in (reference, candidate)))
    days = (usd(round(side.nano * outcome.calls_per_day)) for side in (reference, candidate))
    table.add_row(f"USD a day, {float(outcome.calls_per_day):,.0f} calls", *days)
    return table


def _conclusion(outcome: Outcome) -> Text:
    made = outcome.evaluation
    if outcome.ran.broken:
        return Text("Broken off: nothing is concluded, and nothing is kept.", style="red")
    if made.passed:
        return Text(
            f"Passed: for {DAYS} days steps may move calls of {made.route} to {made.candidate} where requires_eval "
            "asks for this.",
            style="green",
        )
    if made.agreement >= made.bar:
        return Text(
            "Not passed: the share is above the bar, and so few samples leave the interval's lower end below it. "
            "Run more of them.",
            style="yellow",
        )
    return Text("Not passed: it agrees too seldom.", style="red")


def _stopped(ran: Ran) -> str:
    left = len(ran.pairs) - len(ran.answered)
    if ran.broken:
        return ""
    if ran.stopped == "budget":
        return f" It stopped there: what {left} more samples may cost was not left of its budget."
    return f" It stopped early ({ran.stopped}): {left} samples were not run." if ran.stopped else ""


def _shown(one: Scored) -> Iterator[RenderableType]:
    yield Text(f"\n{one.attempt_id}: {one.score:g}{f', {one.why}' if one.why else ''}", style="bold")
    for name, text in (("reference", one.reference), ("candidate", one.candidate)):
        cut = text if len(text) <= EXCERPT else f"{text[:EXCERPT]} …"
        yield Text(f"  {name}: {cut}")


def _told(side: Side) -> Mapping[str, Any]:
    means = {f"{name}_tokens": round(float(mean), 1) for name, mean in side.usage.items()}
    return {"nano_usd": round(side.nano), "calls": side.calls, **means}


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%"
