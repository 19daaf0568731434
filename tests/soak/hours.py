"""How do processes, agent and provider go on in simulated time, so that a busy machine changes no figure?"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tests.soak.accounts import Accounts
from tests.soak.premises import INPUT_NANO, MODEL, OUTPUT_NANO, Clock, ignore, instant, most_input, read_policy
from tests.soak.process import Post, Process
from tests.soak.provider import Provider
from tests.soak.turns import TURNS_A_SECOND, Stage, Strand

from bursar.instrumentation import BudgetExceeded
from bursar.instrumentation.sync import GATHER_SECONDS, HEARTBEAT_SECONDS, HURRY_SECONDS

NOON = "2026-11-21T12:00:00+00:00"
LOOK_SECONDS = 0.01
"""How soon the background notices that it was nudged."""
BUSY_SECONDS = 0.0002
"""The most that passes at any other place where a thread may be held up."""


class TimedStage(Stage):
    """Strands that wake at their time, one after the other."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        super().__init__()
        self._clock = clock
        self._rng = rng
        self._due: list[tuple[float, int, Strand]] = []
        self._count = itertools.count()

    def begin(self, run: Callable[[], object], owner: object) -> Strand:
        strand = super().begin(run, owner)
        self._wake(strand, 0.0)
        return strand

    def pause(self, at: str) -> None:
        """Held up for a moment."""
        self.wait(1 / TURNS_A_SECOND if at == "lock" else self._rng.uniform(0, BUSY_SECONDS))

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """So many seconds pass for the strand that runs."""
        if self.running is not None:
            self._wake(self.running, seconds)
            self.running.pause("wait")

    def run(self, over: Callable[[], bool]) -> None:
        """Let time pass until it is over."""
        while not over():
            at, _, strand = heapq.heappop(self._due)
            self._clock.seconds = max(self._clock.seconds, at)
            self.step(strand)

    def _wake(self, strand: Strand, seconds: float) -> None:
        heapq.heappush(self._due, (self._clock.seconds + seconds, next(self._count), strand))


class DelayedPost(Post):
    """A way to the agent that takes its time, in both directions."""

    def __init__(self, hours: Hours) -> None:
        self._hours = hours

    def carry(self, body: bytes) -> Any:
        hours = self._hours
        hours.messages += 1
        hours.stage.wait(hours.delay())
        answer = hours.accounts.receive(body)
        hours.stage.wait(hours.delay())
        return answer


class Hours:
    """Some processes over one agent, in simulated time; `delay` is drawn for each message, one way, in seconds."""

    def __init__(
        self, policy: str, processes: int, folder: Path, *, rng: random.Random, delay: Callable[[], float]
    ) -> None:
        self.rng = rng
        self.delay = delay
        self.clock = Clock(start_ns=instant(NOON))
        self.stage = TimedStage(self.clock, rng)
        self.provider = Provider()
        self.policy = read_policy(policy)
        self.accounts = Accounts(self.policy, self.clock, ignore)
        self.messages = 0
        self.over = False
        self.admitted = 0
        self.refused: list[str] = []
        self.trimmed = 0
        self.cut = 0
        """Answers that were shorter than they would have been, since `max_tokens` was lowered."""
        self.processes = [
            Process(f"p{number}", folder, self.policy, DelayedPost(self), self.clock, self.stage)
            for number in range(processes)
        ]
        for process in self.processes:
            self.stage.begin(partial(self._background, process), process)

    def together(self, works: Iterable[Callable[[], object]]) -> None:
        """Each of these in a thread of its own, until all are done."""
        threads = [self.stage.begin(work, self) for work in works]
        self.stage.run(lambda: all(thread.over for thread in threads))

    def call(
        self, process: Process, body: dict[str, Any], labels: dict[str, str], *, tokens: tuple[int, int], takes: float
    ) -> bool:
        """One call that uses these tokens and takes so many seconds; whether it was admitted."""
        errand = process.errand({"model": MODEL, **body}, labels)
        try:
            admission = process.guard.admit(errand)
        except BudgetExceeded as refusal:
            self.refused.append(refusal.reason.value)
            return False
        self.admitted += 1
        attempt = process.attempt(errand, admission)
        attempt.sent()
        most = int(admission.changes.get("max_tokens", body["max_tokens"]))
        self.trimmed += most < body["max_tokens"]
        self.cut += most < min(tokens[1], body["max_tokens"])
        used = tokens[0], min(tokens[1], most)
        sending = self.provider.leaves(errand.attempt_id, admission.leased, admission.bound_nano or 0)
        self.stage.wait(takes)
        self.provider.bills(sending, used[0] * INPUT_NANO + used[1] * OUTPUT_NANO)
        attempt.told({"model": MODEL, "content": [], "usage": {"input_tokens": used[0], "output_tokens": used[1]}}, {})
        return True

    def spent(self) -> int:
        """What the provider has billed, in nano-dollars."""
        return sum(sending.cost for sending in self.provider.sendings.values())

    def close(self) -> None:
        """Let go of it all."""
        for process in self.processes:
            process.dead = True
            process.journal.close(remove=True)
        for owner in (*self.processes, self):
            self.stage.kill(owner)
        self.accounts.close()

    def _background(self, process: Process) -> None:
        """As the thread of the shipped channel: soon after a nudge, and once a second."""
        while True:
            since = self.clock.seconds
            while not process.sync.nudged and self.clock.seconds - since < HEARTBEAT_SECONDS:
                self.stage.wait(LOOK_SECONDS)
            if process.sync.nudged:
                self.stage.wait(HURRY_SECONDS if process.leases.short else GATHER_SECONDS)
            process.sync.beat()


def text(size: int) -> list[dict[str, Any]]:
    """Messages of so many characters."""
    return [{"role": "user", "content": "x" * size}]


def worst(body: dict[str, Any]) -> tuple[int, int]:
    """The most tokens that a request can use: what it is bounded by."""
    return most_input(body), int(body["max_tokens"])


def usd(nano: int) -> str:
    """An amount as a policy file writes it, exactly."""
    return f"{nano // 10**9}.{nano % 10**9:09d} USD"
