"""Into which window does a call go, from the guard to the ledger, wherever its clock changes or is set?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.accounts import Accounts
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.hours import usd
from tests.soak.premises import INPUT_NANO, MODEL, OUTPUT_NANO, Clock, ignore, instant, read_policy
from tests.soak.process import Post, Process
from tests.soak.turns import Stage

CALL: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
USED = 30, 100
COST = 30 * INPUT_NANO + 100 * OUTPUT_NANO
STEP_SECONDS = 3_600
"""How far the agent's clock is set back, or forth, while a call is under way."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one window: the last second of one and the first of the next."""

    title: str
    zone: str
    every: str
    turns: str
    """The instant of the turn."""
    before: str
    """When the window began that ends there, in UTC to the minute, by hand."""
    after: str
    """When the one begins that follows."""


TOKYO, KOLKATA, NEW_YORK = "Asia/Tokyo", "Asia/Kolkata", "America/New_York"
TURNS = (
    Turn("Tokyo, midnight", TOKYO, "day", "2026-11-22T00:00+09:00", "2026-11-20T15:00", "2026-11-21T15:00"),
    Turn("Kolkata, midnight", KOLKATA, "day", "2026-11-22T00:00+05:30", "2026-11-20T18:30", "2026-11-21T18:30"),
    Turn("Kolkata, an hour", KOLKATA, "hour", "2026-11-22T11:00+05:30", "2026-11-22T04:30", "2026-11-22T05:30"),
    Turn(
        "New York, a day of 23 hours begins",
        NEW_YORK,
        "day",
        "2027-03-14T00:00-05:00",
        "2027-03-13T05:00",
        "2027-03-14T05:00",
    ),
    Turn(
        "New York, a day of 23 hours ends",
        NEW_YORK,
        "day",
        "2027-03-15T00:00-04:00",
        "2027-03-14T05:00",
        "2027-03-15T04:00",
    ),
    Turn(
        "New York, the clock is put forward",
        NEW_YORK,
        "hour",
        "2027-03-14T03:00-04:00",
        "2027-03-14T06:00",
        "2027-03-14T07:00",
    ),
    Turn(
        "New York, the clock is put back",
        NEW_YORK,
        "hour",
        "2026-11-01T01:00-05:00",
        "2026-11-01T05:00",
        "2026-11-01T06:00",
    ),
    Turn(
        "New York, a day of 25 hours ends",
        NEW_YORK,
        "day",
        "2026-11-02T00:00-05:00",
        "2026-11-01T04:00",
        "2026-11-02T05:00",
    ),
    Turn("leap day begins", "UTC", "day", "2028-02-29T00:00+00:00", "2028-02-28T00:00", "2028-02-29T00:00"),
    Turn("leap day ends", "UTC", "day", "2028-03-01T00:00+00:00", "2028-02-29T00:00", "2028-03-01T00:00"),
    Turn(
        "February of a leap year ends", TOKYO, "month", "2028-03-01T00:00+09:00", "2028-01-31T15:00", "2028-02-29T15:00"
    ),
    Turn("a month of 31 days ends", KOLKATA, "month", "2027-02-01T00:00+05:30", "2026-12-31T18:30", "2027-01-31T18:30"),
    Turn(
        "a month with a change of the clock ends",
        NEW_YORK,
        "month",
        "2026-12-01T00:00-05:00",
        "2026-11-01T04:00",
        "2026-12-01T05:00",
    ),
    Turn(
        "a week with a change of the clock ends",
        NEW_YORK,
        "week",
        "2026-11-02T00:00-05:00",
        "2026-10-26T04:00",
        "2026-11-02T05:00",
    ),
)

WAYS = ("before it", "after it", "across it", "across it, the agent's clock is set back", "across it, and set forth")


class Straight(Post):
    """A way to the agent on which nothing goes wrong."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def carry(self, body: bytes) -> Any:
        return self._accounts.receive(body)


class House:
    """One process and one agent, each with a clock of its own, under a limit that one call uses up."""

    def __init__(self, turn: Turn, folder: Path) -> None:
        policy = read_policy(_policy(turn))
        self.turn_ns = instant(turn.turns)
        self.clock, self.agents_clock = Clock(), Clock()
        self.accounts = Accounts(policy, self.agents_clock, ignore)
        self.process = Process("p", folder, policy, Straight(self.accounts), self.clock, Stage())

    def set(self, seconds: float) -> None:
        """Both clocks to so many seconds after the turn."""
        self.clock.start_ns = self.turn_ns + int(seconds * 10**9)
        self.agents_clock.start_ns = self.clock.start_ns

    def call(self, begins: float, ends: float, agent_ahead: float = 0.0) -> None:
        """One call from a second to another, both told from the turn."""
        self.set(begins)
        errand = self.process.errand(CALL, {})
        admission = self.process.guard.admit(errand)
        attempt = self.process.attempt(errand, admission)
        attempt.sent()
        self.set(ends)
        self.agents_clock.offset = agent_ahead
        attempt.told({"model": MODEL, "content": [], "usage": {"input_tokens": USED[0], "output_tokens": USED[1]}}, {})
        self.process.sync.beat()

    def spent(self) -> dict[str, int]:
        """By the start of the window, what was spent in it, in nano-dollars; nothing left out that is not zero."""
        rows = self.accounts.rows()
        assert all(row.out == 0 for row in rows.values()), "money is still lent"
        return {key.split("|")[1]: row.spent for key, row in rows.items() if row.spent}

    def close(self) -> None:
        """Let go of it all."""
        self.process.journal.close(remove=True)
        self.accounts.close()


def measure(size: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """Every turn, in every way of meeting it."""
    rows: list[tuple[str, ...]] = []
    wrong: list[str] = []
    for number, turn in enumerate(TURNS):
        found = tuple(meets(turn))
        rows.append((turn.title, turn.zone, turn.every, *("as by hand" if right else "WRONG" for right in found)))
        wrong += [f"{turn.title}, {way}" for way, right in zip(WAYS, found, strict=True) if not right]
        progress(number + 1, len(TURNS))
    return Figure(
        "windows",
        "Calls at the turn of a window, through guard and ledger, each under a limit of two such calls",
        ("turn", "zone", "every", *WAYS),
        rows,
        (Claim(f"{len(TURNS) * len(WAYS)} calls count in the window in which they were sent, alone", not wrong),),
        tuple(f"python -m tests.soak windows  # {what}" for what in wrong),
        {"turns": len(TURNS), "wrong": wrong},
    )


def meets(turn: Turn) -> Iterable[bool]:
    """For each way of meeting the turn, whether the call counts where it should."""
    ways = (
        (-1.0, -0.5, 0.0, turn.before),
        (0.0, 0.5, 0.0, turn.after),
        (-1.0, 5.0, 0.0, turn.before),
        (-1.0, 5.0, -STEP_SECONDS, turn.before),
        (-1.0, 5.0, STEP_SECONDS, turn.before),
    )
    for begins, ends, agent_ahead, window in ways:
        with tempfile.TemporaryDirectory() as folder:
            house = House(turn, Path(folder))
            house.call(begins, ends, agent_ahead)
            yield house.spent() == {f"{window}:00Z": COST}
            house.close()


def _policy(turn: Turn) -> str:
    return (
        f'version = 1\nmode = "enforce"\ntimezone = "{turn.zone}"\non_unreachable = "closed"\n'
        f'[[budget]]\nname = "all"\nlimit = "{usd(2 * COST)}"\nevery = "{turn.every}"\npatience = "0s"\n'
        '[budget.at]\n"100%" = "block"\n'
    )
