"""How many are refused although the money is there, when all ask for far more output than they use?"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.hours import Hours, text, usd
from tests.soak.parts import NOTHING_KEPT, Parts
from tests.soak.premises import INPUT_NANO, OUTPUT_NANO

PROCESSES, THREADS = 8, 25
ASKED = 64_000
USED, TO = 0.6, 0.9
"""From which part of the budget on, and up to which by what calls truly cost."""
GOAL = 0.98
SHORT, LONG = (1_200, 400), (11_500, 3_000)
"""Characters of a prompt, and the tokens that they are."""
MEDIAN, SIGMA = 350, 1.0
"""Of heavy-tailed answers (log-normal): half are below 350 tokens, one of a thousand above 7,700."""

Outputs = Callable[[random.Random], int]


def five_hundred(rng: random.Random) -> int:
    """Every answer has as many tokens."""
    return 500


def heavy_tailed(rng: random.Random) -> int:
    """Most answers are short, and a few very long."""
    return max(1, round(math.exp(rng.gauss(math.log(MEDIAN), SIGMA))))


@dataclass(frozen=True, slots=True)
class Scene:
    """One budget and one kind of call."""

    usd: int
    prompt: tuple[int, int]
    outputs: Outputs
    once: bool = False
    """Whether each caller makes one call, instead of all together those that lead up to `TO`."""
    claimed: bool = True
    """Whether the goal is claimed for it: who has to wait gets what is left of the money within its patience."""

    @property
    def title(self) -> str:
        """For the table."""
        outputs = "500 tokens" if self.outputs is five_hundred else "heavy-tailed"
        once = ", one call each" if self.once else ""
        return f"{self.usd} USD{once}, prompts of {self.prompt[1]:,} tokens, answers {outputs}"


SCENES = (
    Scene(9, SHORT, five_hundred, once=True),
    Scene(50, SHORT, five_hundred),
    Scene(500, SHORT, five_hundred),
    Scene(50, LONG, five_hundred),
    Scene(500, LONG, five_hundred),
    Scene(9, SHORT, five_hundred),
    Scene(50, SHORT, heavy_tailed, claimed=False),
    Scene(500, SHORT, heavy_tailed),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one scene came to."""

    number: int
    """Of the scene."""
    calls: int
    admitted: int
    cut: int
    trimmed: int
    overspent: int
    """Nano-dollars."""
    refused: list[str]

    @property
    def scene(self) -> Scene:
        """Which one it was."""
        return SCENES[self.number]

    @property
    def share(self) -> float:
        """Of the calls made."""
        return self.admitted / self.calls


def measure(size: int, *, first: int = 0, progress: Progress = silently, parts: Parts = NOTHING_KEPT) -> Figure:
    """Every scene, of at most so many calls each."""
    name = f"trimming-{first}-{size}"
    done = parts.measured(name, partial(plain, first=first, most=size), range(len(SCENES)), 1, progress)
    found = [Outcome(**one) for one in done]
    claimed = [one for one in found if one.scene.claimed]
    return Figure(
        "trimming",
        f"{PROCESSES * THREADS} callers that ask for {ASKED:,} tokens, from {USED:.0%} to {TO:.0%} used, overdraft 0, "
        "answers in 4 to 8 s",
        ("", "calls", "admitted", "answers cut", "trimmed", "overspent, USD", "refused as"),
        [
            (
                one.scene.title + ("" if one.scene.claimed else " (no claim)"),
                f"{one.calls:,}",
                f"{one.share:.1%}",
                f"{one.cut / max(one.admitted, 1):.2%}",
                f"{one.trimmed / max(one.admitted, 1):.0%}",
                f"{one.overspent / 1e9:.6f}",
                ", ".join(f"{why} {one.refused.count(why):,}" for why in sorted(set(one.refused))) or "-",
            )
            for one in found
        ],
        (
            Claim(
                f"at least {GOAL:.0%} admitted, but for heavy-tailed answers out of 50 USD",
                all(one.share >= GOAL for one in claimed),
            ),
            Claim("nothing overspent", not any(one.overspent for one in found)),
        ),
        (f"python -m tests.soak trimming --first {first}",),
        {one.scene.title: [one.calls, one.admitted, one.cut] for one in found},
    )


def plain(numbers: range, *, first: int, most: int) -> dict[str, Any]:
    """What one scene came to, for JSON."""
    [number] = numbers
    return asdict(run(number, first, most=most))


def run(number: int, seed: int, *, most: int) -> Outcome:
    """One budget, from the share that is used at first to the share at which it is over, or so many calls."""
    scene, rng = SCENES[number], random.Random(seed)
    limit = scene.usd * 10**9
    typical = scene.prompt[1] * INPUT_NANO + 500 * OUTPUT_NANO
    calls = min(most, PROCESSES * THREADS if scene.once else int(limit * (TO - USED)) // typical)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        hours = Hours(_policy(limit), PROCESSES, Path(folder), rng=rng, delay=lambda: rng.uniform(0.0002, 0.002))
        try:
            spent = int(limit * USED)
            hours.accounts.spend(spent)
            left = iter(range(calls))
            hours.together(
                partial(_caller, hours, process, scene, left) for process in hours.processes for _ in range(THREADS)
            )
            overspent = max(spent + hours.spent() - limit, 0)
            return Outcome(number, calls, hours.admitted, hours.cut, hours.trimmed, overspent, hours.refused)
        finally:
            hours.close()


def _caller(hours: Hours, process: Any, scene: Scene, left: Any) -> None:
    """Call after call, until all callers together have made theirs."""
    hours.stage.wait(hours.rng.uniform(0, 6))
    body = {"max_tokens": ASKED, "messages": text(scene.prompt[0])}
    for _ in left:
        tokens = scene.prompt[1], scene.outputs(hours.rng)
        hours.call(process, body, {}, tokens=tokens, takes=hours.rng.uniform(4, 8))


def _policy(limit: int) -> str:
    return (
        'version = 1\nmode = "enforce"\non_unreachable = "closed"\n'
        f'[[budget]]\nname = "all"\nlimit = "{usd(limit)}"\nevery = "month"\n[budget.at]\n"100%" = "block"\n'
    )
