"""Do exactly as many calls leave as the money pays for, however many threads ask at once?"""

from __future__ import annotations

import random
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.hours import Hours, text, usd, worst
from tests.soak.parts import NOTHING_KEPT, Parts
from tests.soak.premises import INPUT_NANO, OUTPUT_NANO

PROCESSES, THREADS, PAID = 4, 16, 50
CALL: dict[str, Any] = {"max_tokens": 1_000, "messages": text(200)}
SMALL: dict[str, Any] = {"max_tokens": 1, "messages": text(8)}
SMALL_CALLS = 24
"""How many of these each idle process makes first, which brings it a lease that it then sits on."""
LABELS = {"tenant": "acme", "user": "bob", "team": "desk"}
SCOPES = ("", 'per = ["tenant"]', 'per = ["user"]', 'per = ["team"]', 'per = ["model"]')
PART = 5
"""Seeds of each scene in one job of a worker."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One way in which the storm is staged."""

    title: str
    budgets: int = 1
    idle: int = 0
    """Processes that hold a lease and make no calls."""


SCENES = (
    Scene("one balance"),
    Scene("five balances per call", budgets=5),
    Scene("half of the processes idle, holding a lease", idle=2),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed came to; amounts in nano-dollars."""

    seed: int
    admitted: int
    overspent: int
    booked: bool
    """Whether the ledger says what the provider has billed."""
    idle: int
    """What lay idle when the storm broke."""
    seconds: float
    """Of simulated time."""

    @property
    def holds(self) -> bool:
        """Whether it came out as claimed."""
        return self.admitted == PAID and self.overspent == 0 and self.booked


def measure(size: int, *, first: int = 0, progress: Progress = silently, parts: Parts = NOTHING_KEPT) -> Figure:
    """So many seeds of each scene."""
    done = parts.measured("storm", plain, range(first, first + size), PART, progress)
    found = [[Outcome(**one) for part in done for one in part[number]] for number in range(len(SCENES))]
    rows = [
        (
            scene.title,
            f"{sum(one.admitted == PAID for one in outcomes):,} of {len(outcomes):,}",
            f"{min(one.admitted for one in outcomes)} to {max(one.admitted for one in outcomes)}",
            f"{sum(one.overspent for one in outcomes) / 1e9:.6f}",
            f"{sum(one.idle for one in outcomes) / len(outcomes) / cost(CALL):.2f}",
            f"{max(one.seconds for one in outcomes):.1f}",
        )
        for scene, outcomes in zip(SCENES, found, strict=True)
    ]
    wrong = [(scene, one) for scene, outcomes in zip(SCENES, found, strict=True) for one in outcomes if not one.holds]
    return Figure(
        "storm",
        f"{PROCESSES * THREADS} threads in {PROCESSES} processes, money for exactly {PAID} calls",
        ("", f"seeds with {PAID} admitted", "admitted", "overspent, USD", "idle at first, in calls", "longest, s"),
        rows,
        (Claim(f"{PAID} admitted, nothing overspent and all booked, in every seed", not wrong),),
        tuple(
            f"python -m tests.soak storm --first {one.seed} --seeds 1  # {scene.title}: {one}" for scene, one in wrong
        ),
        {scene.title: [one.admitted for one in outcomes] for scene, outcomes in zip(SCENES, found, strict=True)},
    )


def run(scene: Scene, seed: int) -> Outcome:
    """One storm."""
    rng = random.Random(seed)
    limit = PAID * cost(CALL) + scene.idle * SMALL_CALLS * cost(SMALL)
    slow = rng.choice((0.002, 0.02))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        policy = _policy(limit, scene.budgets)
        hours = Hours(policy, PROCESSES, Path(folder), rng=rng, delay=lambda: rng.uniform(0.0002, slow))
        try:
            return _run(scene, seed, hours, limit)
        finally:
            hours.close()


def _run(scene: Scene, seed: int, hours: Hours, limit: int) -> Outcome:
    idle, busy = hours.processes[: scene.idle], hours.processes[scene.idle :]
    hours.together(partial(_small_calls, hours, process) for process in idle)
    lying = sum(row.out for row in hours.accounts.rows().values())
    before, began = hours.admitted, hours.clock.seconds
    threads = PROCESSES * THREADS // len(busy)
    hours.together(partial(_caller, hours, process) for process in busy for _ in range(threads))
    admitted, seconds = hours.admitted - before, hours.clock.seconds - began
    hours.stage.run(lambda: hours.clock.seconds > began + seconds + 3)  # until the last charge is shipped
    booked = all(row.spent == hours.spent() for row in hours.accounts.rows().values())
    return Outcome(seed, admitted, max(hours.spent() - limit, 0), booked, lying, seconds)


def _small_calls(hours: Hours, process: Any) -> None:
    for _ in range(SMALL_CALLS):
        assert hours.call(process, SMALL, LABELS, tokens=worst(SMALL), takes=hours.rng.uniform(0.01, 0.05))


def _caller(hours: Hours, process: Any) -> None:
    """Call after call, until one is refused."""
    hours.stage.wait(hours.rng.uniform(0, 0.05))
    while hours.call(process, CALL, LABELS, tokens=worst(CALL), takes=hours.rng.uniform(0.01, 0.6)):
        pass


def cost(body: dict[str, Any]) -> int:
    """By hand: the exact cost of a call that uses all that it may, in nano-dollars."""
    tokens_in, tokens_out = worst(body)
    return tokens_in * INPUT_NANO + tokens_out * OUTPUT_NANO


def _policy(limit: int, budgets: int) -> str:
    lines = ['version = 1\nmode = "enforce"\non_unreachable = "closed"\n']
    for number, per in enumerate(SCOPES[:budgets]):
        lines.append(
            f'[[budget]]\nname = "b{number}"\n{per}\nlimit = "{usd(limit)}"\nevery = "day"\n'
            '[budget.at]\n"100%" = "block"\n'
        )
    return "".join(lines)


def plain(seeds: range) -> list[list[dict[str, Any]]]:
    """What these seeds came to in each scene, for JSON."""
    return [[asdict(run(scene, seed)) for seed in seeds] for scene in SCENES]
