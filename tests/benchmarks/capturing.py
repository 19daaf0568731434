"""
What does a call wait for because its route's content is captured, on its own thread?

Run as `python -m tests.benchmarks.capturing [--repeats N]`; docs/eval.md has what it said. The call has a prompt of
100 kB; parsing and telling the agent is another thread's, and not in these figures. Best of five, in microseconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from timeit import repeat
from typing import Any

from tests.instrumentation.scene import ASK, client

from bursar.instrumentation import instrument, route, uninstrument
from bursar.instrumentation.capturing import Sampler
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.agentaddress import read_agent_address
from bursar.policies.route import Capture
from bursar.policies.sample import Wanted

ROUTE = "triage"
PROMPT = "x" * 100_000


class Still(Sampler):
    """One whose thread never runs; `seen` keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__(lambda: AgentLink(Dial(read_agent_address("http://127.0.0.1:9")), None))
        self.seen: list[Any] = []

    def _start(self) -> None:
        """Nobody takes anything off the queue but the measurement."""

    def shown(self, call: Any, attempt: Any, response: Any) -> None:
        self.seen = [call, attempt, response]

    def tell(self, below: int | None) -> None:
        """The agent has said which lots it wants."""
        self._wanted[ROUTE] = (Wanted(below), self._clock())

    def again(self) -> None:
        """One more call is answered; what it queued is taken off."""
        self.see(*self.seen)
        if self._queue.qsize():
            self._queue.get()
            self._waiting = 0


def figures(times: int) -> dict[str, float]:
    """Microseconds by what becomes of the call."""
    with TemporaryDirectory() as folder:
        instrument(environ={"BURSAR_STATE_DIR": folder})
        try:
            return _measured(times)
        finally:
            uninstrument()


def _measured(times: int) -> dict[str, float]:
    runtime = current_runtime()
    assert runtime is not None
    runtime.rules = replace(runtime.rules, captures={ROUTE: Capture(500, 3_600.0)})
    runtime.sampler = still = Still()
    still.see, see = still.shown, still.see  # type: ignore[method-assign]
    with route(ROUTE):
        client().messages.create(**ASK, system=PROMPT)
    still.see = see  # type: ignore[method-assign]
    found = {"told": _best(still.again, times)}
    still.tell(0)
    found["its lot is not wanted"] = _best(still.again, times)
    call = still.seen[0]
    call.work = replace(call.work, route="chat")
    found["another route"] = _best(still.again, times)
    return found


def _best(work: Callable[[], object], times: int) -> float:
    return min(repeat(work, number=times, repeat=5)) / times * 1e6


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20_000)
    for name, micros in figures(parser.parse_args().repeats).items():
        sys.stdout.write(f"{name}: {micros:.2f} us\n")


if __name__ == "__main__":
    main()
