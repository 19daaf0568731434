"""What becomes of one call in a simulated world: admitted or not, answered or not, told or not."""

from __future__ import annotations

from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.soak.premises import INPUT_NANO, MODEL, OUTPUT_NANO, most_input
from tests.soak.process import Carried, Process
from tests.soak.provider import Sending
from tests.soak.turns import Killed

from bursar.instrumentation import BudgetExceeded
from bursar.policies.balancekey import Kind, kind_of

if TYPE_CHECKING:
    from tests.soak.world import World

OUTCOMES = ("answered", "timeout", "timeout, billed", "error", "refused connection", "stream", "broken stream")
OUTCOME_ODDS = (60, 5, 5, 8, 3, 14, 5)
SIZES = (1, 20, 300, 1_500, 6_000)
"""Of `max_tokens`."""


def by_worst_case(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The balances that the invariant is about: the twins of overdrawn ones lend by expectations, which may fail."""
    return tuple(key for key in keys if kind_of(key) is not Kind.EXPECTED)


class Calls:
    """The calls of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def call(self, process: Process) -> None:
        """One call, from the guard to its last word."""
        body: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": self._world.rng.choice(SIZES),
            "messages": [{"role": "user", "content": "x" * self._world.rng.randrange(40)}],
        }
        errand = process.errand(body, {"tenant": self._world.rng.choice("ab")})
        try:
            admission = self._admit(process, errand)
        except BudgetExceeded as refusal:
            self._world.seen[f"refused {refusal.reason.value}"] += 1
            return
        except CancelledError:
            self._world.seen["cancelled"] += 1
            return
        self._world.seen["held"] += 1
        attempt = process.attempt(errand, admission)
        bound = admission.bound_nano or 0
        self._world.checks.journalled[errand.attempt_id] = (process, by_worst_case(admission.leased), bound)
        attempt.sent()
        self._world.stage.pause("leaves")
        sending = self._world.provider.leaves(errand.attempt_id, by_worst_case(admission.leased), bound)
        self._world.seen["sent"] += 1
        tokens = int(admission.changes.get("max_tokens", body["max_tokens"]))
        if tokens < body["max_tokens"]:
            self._world.seen["trimmed"] += 1
        self._world.stage.pause("at the provider")
        self._outcome(attempt, sending, most_input(body), tokens)

    def _admit(self, process: Process, errand: Any) -> Any:
        if self._world.rng.random() < 0.5:
            return process.guard.admit(errand)
        admitting: Any = process.guard.admit_async(errand)
        try:
            return self._admit_async(process, admitting)
        except Killed:
            with suppress(Killed):
                admitting.close()
            raise

    def _admit_async(self, process: Process, admitting: Any) -> Any:
        """Drive the coroutine by hand, as an event loop would."""
        reply: Any = None
        while True:
            try:
                step = admitting.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = None
            if isinstance(step, Carried):
                reply = self._carried(process, admitting, step)
            else:
                self._world.clock.seconds += step.seconds
                self._world.stage.pause("sleep")

    def _carried(self, process: Process, admitting: Any, step: Carried) -> Any:
        """What comes of an ask that a thread carries, unless the task that waits for it is cancelled."""
        came: list[Any] = []
        thread = self._world.stage.begin(lambda: came.append(process.guard.carry(step.ask)), process)
        while not thread.over:
            self._world.stage.pause("task")
            if self._world.rng.random() < 0.02:
                admitting.throw(CancelledError())
        return came[0] if came else None

    def _outcome(self, attempt: Any, sending: Sending, most: int, tokens: int) -> None:
        outcome = self._world.rng.choices(OUTCOMES, OUTCOME_ODDS)[0]
        self._world.seen[outcome] += 1
        if outcome in ("error", "refused connection"):
            self._world.provider.bills(sending, 0)
            self._world.stage.pause("between response and settle")
            attempt.release(outcome)
            sending.freed = True
            return
        used = self._world.rng.randint(1, most), self._world.rng.choice((0, tokens, self._world.rng.randint(0, tokens)))
        if outcome.startswith("timeout"):
            attempt.settle()
            if "billed" in outcome:  # the answer was on its way when nobody waited any more
                self._world.stage.pause("nobody listens")
                self._world.provider.bills(sending, _cost(*used))
            return
        if "stream" in outcome:
            self._stream(attempt, sending, used, broken="broken" in outcome)
            return
        self._world.provider.bills(sending, _cost(*used))
        self._world.stage.pause("between response and settle")
        attempt.told(_message(used), {})
        sending.told = True

    def _stream(self, attempt: Any, sending: Sending, used: tuple[int, int], *, broken: bool) -> None:
        """A stream; one that breaks off is taken to be billed for no more than it had told."""
        attempt.tally.event({"type": "message_start", "message": _message((used[0], 0))})
        attempt.counted(first=True)
        self._world.stage.pause("amid the stream")
        if not broken:
            attempt.tally.event({"type": "message_delta", "delta": {}, "usage": {"output_tokens": used[1]}})
            attempt.counted(first=False)
        self._world.provider.bills(sending, _cost(used[0], 0 if broken else used[1]))
        self._world.stage.pause("between response and settle")
        attempt.settle()
        sending.told = True


def _message(used: tuple[int, int]) -> dict[str, Any]:
    return {"model": MODEL, "content": [], "usage": {"input_tokens": used[0], "output_tokens": used[1]}}


def _cost(tokens_in: int, tokens_out: int) -> int:
    """By hand: what the provider bills, in nano-dollars."""
    return tokens_in * INPUT_NANO + tokens_out * OUTPUT_NANO
