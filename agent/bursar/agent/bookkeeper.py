"""Under which rules is something booked, and who hears of the alerts that it raises?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Protocol, TypeVar

from sqlite_utils import Database

from bursar.agent.alerting.alerts import Looping
from bursar.agent.alerting.announcement import announcement
from bursar.agent.ledger import Ledger, LedgerError, alertbook, balances, lending, outbox, overridebook, slices
from bursar.agent.ledger.booking import Booked
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.spans import intake
from bursar.agent.spans.intake import Counted, Heard
from bursar.agent.spans.seenevent import SeenEvent, SeenPoint
from bursar.policies.overrides import Override
from bursar.policies.policy import Policy
from bursar.policies.protocol import BalanceView, SyncRequest, SyncResponse, Verdict


class Moved(Protocol):
    """What a booking says it changed."""

    @property
    def balances(self) -> frozenset[str]:
        """Keys of the balances that are other than before."""
        ...


T = TypeVar("T")
M = TypeVar("M", bound=Moved)


class Bookkeeper:
    """
    Everything that changes the accounts passes here: guards, journals of the dead, spans of others.

    Each job books by the rules in force when it came, and raises in the same transaction the alerts of what it moved.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: RulesInForce,
        *,
        clock_ns: Callable[[], int],
        on_alert: Callable[[], object],
        on_wanted: Callable[[str, frozenset[str]], object] = lambda _holder, _balances: None,
    ) -> None:
        """
        `on_alert` is called from the ledger's thread once new alerts are committed.

        `on_wanted`, likewise, with a process and the balances whose idle money somebody else has asked for in vain.
        """
        self.ledger = ledger
        self.rules = rules
        self._clock_ns = clock_ns
        self._on_alert = on_alert
        self._on_wanted = on_wanted
        self.trouble: str | None = None
        """Why the last commit failed; None where it did not."""

    def sync(self, request: SyncRequest) -> Future[SyncResponse]:
        """Answer a guard, with the rules in force where it knows others."""
        rules = self.rules.current
        recalled: dict[str, set[str]] = {}

        def job(db: Database) -> tuple[SyncResponse, int]:
            now_ns = self._clock_ns()
            response = lending.sync(db, request, policy=rules.policy, now_ns=now_ns)
            recalled.update(slices.idlers(db, _sought(request, response)))
            if request.snapshot_id != rules.snapshot.id:
                overridebook.keep_rules(db, rules.snapshot, now_ns)
                response = replace(response, snapshot=rules.snapshot)
            refusing, looping = alertbook.refusing(request), alertbook.looping(request)
            touched = alertbook.touched(db, request)
            seen = response.views
            return response, self._raise_alerts(db, touched, rules.policy, now_ns, refusing, looping, seen)

        def recall(answered: Future[SyncResponse]) -> None:
            if answered.exception() is None:
                recalled.pop(request.holder.id, None)  # who asks is told by the answer itself
                for holder, keys in recalled.items():
                    self._on_wanted(holder, frozenset(keys))

        answered = self._submit(job)
        answered.add_done_callback(recall)
        return answered

    def book_spans(self, told: Heard) -> Future[Counted]:
        """Book what spans of others tell."""
        return self.watched(
            lambda db, rules, now_ns: intake.book_spans(db, told, policy=rules.policy, book=rules.prices, now_ns=now_ns)
        )

    def book_events(self, events: Sequence[SeenEvent]) -> Future[Counted]:
        """Book what events of others tell."""
        return self.watched(
            lambda db, rules, now_ns: intake.book_events(
                db, events, policy=rules.policy, book=rules.prices, now_ns=now_ns
            )
        )

    def book_points(self, points: Sequence[SeenPoint]) -> Future[Counted]:
        """Book what metrics of others tell."""
        return self.watched(
            lambda db, rules, now_ns: intake.book_points(
                db, points, policy=rules.policy, book=rules.prices, now_ns=now_ns
            )
        )

    def raise_noticed(self, raise_all: Callable[[Database, int], int]) -> Future[None]:
        """Put into the outbox what was noticed by the clock; `raise_all` says how many alerts are new."""

        def job(db: Database) -> tuple[None, int]:
            return None, raise_all(db, self._clock_ns())

        return self._submit(job)

    def close_holder(self, holder: str) -> Future[Booked]:
        """Recover a process that is proven dead and whose journal is booked."""
        return self.watched(
            lambda db, rules, now_ns: lending.close_holder(db, holder, policy=rules.policy, now_ns=now_ns)
        )

    def override(self, override: Override) -> Future[None]:
        """Put an override in force as soon as it is kept, and announce it to those whom its budgets alert."""

        def job(db: Database) -> tuple[None, int]:
            overridebook.keep(db, override)
            return None, self._announce(db, override, f"{override}", self._clock_ns())

        return self._overriding(job)

    def end_overrides(self, budget: str, by: str) -> Future[tuple[Override, ...]]:
        """Take back what is in force of a budget's overrides, and announce that."""

        def job(db: Database) -> tuple[tuple[Override, ...], int]:
            now_ns = self._clock_ns()
            ended = overridebook.end(db, budget, now_ns=now_ns, by=by)
            told = (self._announce(db, o, f"no longer: {o}", now_ns, by=by) for o in ended)
            return ended, sum(told)

        return self._overriding(job)

    def take_up_overrides(self) -> None:
        """Put those in force that the ledger has: at the agent's start."""
        with self.ledger.reading() as db:
            self.rules.override(overridebook.standing(db, self._clock_ns()))

    def _overriding(self, job: Callable[[Database], tuple[T, int]]) -> Future[T]:
        """Run a job, and have the rules take over what it made of the overrides before its result is told."""

        def with_rules(db: Database) -> tuple[tuple[T, tuple[Override, ...]], int]:
            result, alerts = job(db)
            return (result, overridebook.standing(db, self._clock_ns())), alerts

        told: Future[T] = Future()

        def done(future: Future[tuple[T, tuple[Override, ...]]]) -> None:
            error = future.exception()
            if error is not None:
                told.set_exception(error)
                return
            result, standing = future.result()
            self.rules.override(standing)
            told.set_result(result)

        told.set_running_or_notify_cancel()
        self._submit(with_rules).add_done_callback(done)
        return told

    def _announce(self, db: Database, override: Override, text: str, now_ns: int, *, by: str = "") -> int:
        """Put a notice into the outbox of each channel that a budget of the override alerts; how many are new."""
        policy = self.rules.current.policy
        if policy is None:
            return 0
        channels = {
            action.channel
            for budget in policy.budgets
            if override.concerns(budget)
            for step in budget.steps
            for action in step.actions
            if action.channel is not None
        }
        payload = announcement(
            text, until=balances.iso(override.until_ns), reason=override.reason, by=by or override.by
        )
        return sum(
            outbox.raise_alert(
                db, balance=f"override {override.id}", step=text, channel=channel, payload=payload, now_ns=now_ns
            )
            for channel in sorted(channels or {"log"})
        )

    def beat(self) -> Future[None]:
        """
        Whether the ledger still takes jobs. Brings the failure of the last commit, if it failed, as `LedgerError`.

        An empty job proves that the writer lives, not that the disk takes anything: only what was booked last does.
        """
        return self.ledger.submit(self._fail_if_troubled)

    def _fail_if_troubled(self, _: Database) -> None:
        if self.trouble is not None:
            raise LedgerError(self.trouble)

    def watched(self, book: Callable[[Database, Rules, int], M]) -> Future[M]:
        """Book by the rules in force, and raise the alerts of what that moves."""
        rules = self.rules.current

        def job(db: Database) -> tuple[M, int]:
            now_ns = self._clock_ns()
            moved = book(db, rules, now_ns)
            return moved, self._raise_alerts(db, moved.balances, rules.policy, now_ns)

        return self._submit(job)

    def _raise_alerts(
        self,
        db: Database,
        keys: Iterable[str],
        policy: Policy | None,
        now_ns: int,
        refusing: frozenset[str] = frozenset(),
        looping: frozenset[Looping] = frozenset(),
        seen: tuple[BalanceView, ...] = (),
    ) -> int:
        if policy is None:
            return 0
        return alertbook.raise_reached(
            db, keys, policy=policy, now_ns=now_ns, refusing=refusing, looping=looping, seen=seen
        )

    def _submit(self, job: Callable[[Database], tuple[T, int]]) -> Future[T]:
        """Run a job that also says how many alerts are new, and bring its result."""
        told: Future[T] = Future()

        def done(future: Future[tuple[T, int]]) -> None:
            error = future.exception()
            self.trouble = str(error) if isinstance(error, LedgerError) else None
            if error is not None:
                told.set_exception(error)
                return
            result, alerts = future.result()
            told.set_result(result)
            if alerts:
                self._on_alert()

        told.set_running_or_notify_cancel()
        self.ledger.submit(job).add_done_callback(done)
        return told


def _sought(request: SyncRequest, response: SyncResponse) -> set[str]:
    """The balances of needs that have to wait for what is out."""
    waiting = {answer.attempt_id for answer in response.answers if answer.verdict is Verdict.WAIT}
    return {key for need in request.needs if need.attempt_id in waiting for key in need.balances}
