"""What does the agent tell Prometheus, under which names?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bursar.agent.ledger.forwardtables import TargetState
from bursar.agent.ledger.meterbook import CLASSES, OTHER, Reading, Standing

_NANO = 1e9
MOST_FORWARDS = 50
"""Receivers that are told one by one, by name; all others share `other`."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the agent itself does."""

    version: str
    waiting: int
    """Jobs for the ledger's writer."""
    last_commit_ns: int
    trouble: bool
    """Whether the last commit failed."""
    forwards: tuple[TargetState, ...] | None = ()
    """Receivers of spans; None where their queue cannot be read."""


class Told(Collector):
    """
    Families of one reading.

    Dollars are floats, as all values are to Prometheus: up to nine million of them are exact to the nano-dollar, and
    sums beyond that to fifteen digits. `bursar report` has them exact.
    """

    def __init__(self, reading: Reading, health: Health) -> None:
        self._reading = reading
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """Every family, with or without samples."""
        yield from _spend(self._reading)
        yield from _budgets(self._reading.standings)
        yield from _work(self._reading)
        yield from _agent(self._reading, self._health)
        yield from _forwards(self._health.forwards)


def _spend(reading: Reading) -> Iterable[Metric]:
    by = ("route", "model")
    spent = CounterMetricFamily("bursar_spend_usd", "Dollars charged; corrections are counted apart.", labels=by)
    taken_back = CounterMetricFamily("bursar_spend_corrections_usd", "Dollars that corrections took back.", labels=by)
    charges = CounterMetricFamily("bursar_charges", "Attempts that were charged.", labels=by)
    tokens = CounterMetricFamily(
        "bursar_tokens", "Tokens by class: input, cache reads and writes, output.", labels=(*by, "class")
    )
    estimated = GaugeMetricFamily("bursar_spend_estimated_usd", "The part of it that is a bound.", labels=by)
    unknown = GaugeMetricFamily("bursar_unknown_charges", "Charges without a known cost, in no sum.", labels=by)
    for spend in reading.spend:
        named = (spend.route, spend.model)
        spent.add_metric(named, spend.up / _NANO)
        taken_back.add_metric(named, spend.down / _NANO)
        charges.add_metric(named, spend.charges)
        estimated.add_metric(named, spend.estimated / _NANO)
        unknown.add_metric(named, spend.unknown)
        for name, count in zip(CLASSES, spend.tokens, strict=True):
            tokens.add_metric((*named, name), count)
    return spent, taken_back, charges, tokens, estimated, unknown


def _budgets(standings: Sequence[Standing]) -> Iterable[Metric]:
    """In dollars, tokens or calls, as the label `unit` says."""
    figures: tuple[tuple[str, str, Callable[[Standing], float]], ...] = (
        ("bursar_budget_limit", "What may be spent in this window.", lambda found: found.limit),
        ("bursar_budget_spent", "What was spent in it.", lambda found: found.spent),
        ("bursar_budget_held", "What calls in flight are expected to take of it.", lambda found: found.held),
        ("bursar_budget_lent", "What processes may still take of it.", lambda found: found.lent),
    )
    for name, text, figure in figures:
        family = GaugeMetricFamily(name, text, labels=("budget", "scope", "unit"))
        for found in standings:
            value = figure(found)
            family.add_metric((found.budget, found.scope, found.unit), value / _NANO if found.unit == "usd" else value)
        yield family
    used = GaugeMetricFamily("bursar_budget_used_ratio", "The spent part of the limit.", labels=("budget", "scope"))
    for found in standings:
        used.add_metric((found.budget, found.scope), found.spent / max(found.limit, 1))
    yield used


def _work(reading: Reading) -> Iterable[Metric]:
    decisions = CounterMetricFamily(
        "bursar_decisions", "Calls that were not let go as they were.", labels=("action", "reason")
    )
    for action, reason, count in reading.decisions:
        decisions.add_metric((action, reason), count)
    yield decisions
    yield GaugeMetricFamily("bursar_holds", "Attempts in flight.", value=reading.holds)
    yield GaugeMetricFamily("bursar_held_usd", "What they are expected to cost.", value=reading.held_nano / _NANO)


def _agent(reading: Reading, health: Health) -> Iterable[Metric]:
    info = GaugeMetricFamily("bursar_agent_info", "Always one; what runs.", labels=("version",))
    info.add_metric((health.version,), 1)
    yield info
    yield GaugeMetricFamily("bursar_agent_processes", "Processes that keep accounts here.", value=reading.processes)
    yield GaugeMetricFamily("bursar_alerts_pending", "Alerts that no channel has taken yet.", value=reading.alerts)
    oldest = GaugeMetricFamily("bursar_alerts_oldest_timestamp_seconds", "When the oldest of them was raised.")
    if reading.oldest_alert_ns is not None:
        oldest.add_metric((), reading.oldest_alert_ns / _NANO)
    yield oldest
    yield GaugeMetricFamily("bursar_ledger_queue", "Jobs that wait for the ledger's writer.", value=health.waiting)
    yield GaugeMetricFamily(
        "bursar_ledger_last_commit_timestamp_seconds",
        "When the ledger was last written.",
        value=health.last_commit_ns / _NANO,
    )
    yield GaugeMetricFamily("bursar_ledger_failing", "One where its last commit failed.", value=int(health.trouble))
    yield CounterMetricFamily("bursar_ledger_commits", "Commits that the ledger has seen.", value=reading.commits)


_FATES = ("sent", "refused", "overflowed", "abandoned", "passed_over")


def _forwards(states: Sequence[TargetState] | None) -> Iterable[Metric]:
    """Those that the policy has."""
    by = ("forward",)
    spans = CounterMetricFamily(
        "bursar_forward_spans",
        "Spans that left the queue for a receiver, by what became of them.",
        labels=(*by, "fate"),
    )
    waiting = GaugeMetricFamily("bursar_forward_waiting_spans", "Spans that wait for it.", labels=by)
    size = GaugeMetricFamily("bursar_forward_waiting_bytes", "What they take on the disk.", labels=by)
    tries = GaugeMetricFamily("bursar_forward_failed_tries", "Tries in a row that failed.", labels=by)
    oldest = GaugeMetricFamily("bursar_forward_oldest_timestamp_seconds", "When the oldest of them came.", labels=by)
    sent = GaugeMetricFamily("bursar_forward_last_sent_timestamp_seconds", "When it last took any.", labels=by)
    for state in _bounded([state for state in states or () if state.present]):
        named = (state.name,)
        waiting.add_metric(named, state.spans)
        size.add_metric(named, state.bytes)
        tries.add_metric(named, state.tries)
        for fate in _FATES:
            spans.add_metric((*named, fate), getattr(state, fate))
        for family, at_ns in ((oldest, state.oldest_ns), (sent, state.last_sent_ns)):
            if at_ns is not None:
                family.add_metric(named, at_ns / _NANO)
    yield from (spans, waiting, size, tries, oldest, sent)
    yield GaugeMetricFamily(
        "bursar_forward_queue_failing", "One where the queue of spans cannot be read.", value=int(states is None)
    )


def _bounded(states: Sequence[TargetState]) -> Sequence[TargetState]:
    """The first by name, and one for all the others: their sums, the oldest that waits, the last that was sent."""
    if len(states) <= MOST_FORWARDS:
        return states
    first, others = states[:MOST_FORWARDS], states[MOST_FORWARDS:]

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in others)

    together = TargetState(
        OTHER,
        spans=total("spans"),
        bytes=total("bytes"),
        sent=total("sent"),
        refused=total("refused"),
        passed_over=total("passed_over"),
        overflowed=total("overflowed"),
        abandoned=total("abandoned"),
        tries=max(one.tries for one in others),
        oldest_ns=min((one.oldest_ns for one in others if one.oldest_ns is not None), default=None),
        last_sent_ns=min((one.last_sent_ns for one in others if one.last_sent_ns is not None), default=None),
    )
    return [*first, together]
