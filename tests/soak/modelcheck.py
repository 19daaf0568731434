"""Does the shipped protocol hold in every order of things that a seeded scheduler can think of?"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.checks import BrokenRule
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.parts import NOTHING_KEPT, Parts
from tests.soak.variants import VARIANTS, Variant
from tests.soak.world import World

STEPS = 300
PART = 50
"""Schedules in one job of a worker."""
MOST = 100
"""Schedules within which each broken variant is to be caught."""
TRACKS = ("held", "sent", "killed", "left", "cancelled", "trimmed")


@dataclass
class Found:
    """What some schedules came to."""

    schedules: int = 0
    seen: Counter[str] = field(default_factory=Counter[str])
    broken: dict[str, str] = field(default_factory=dict[str, str])
    """By seed, the rule that broke."""

    def add(self, other: Found) -> None:
        """Put two together."""
        self.schedules += other.schedules
        self.seen.update(other.seen)
        self.broken.update(other.broken)


def measure(size: int, *, first: int = 0, progress: Progress = silently, parts: Parts = NOTHING_KEPT) -> Figure:
    """So many schedules of the shipped code, from a first seed on; and how soon each broken variant is caught."""
    found = Found()
    for part in parts.measured("modelcheck", plain, range(first, first + size), PART, progress):
        found.add(found_of(part))
    caught: dict[str, int] = parts.measured("variants", catch, range(1), 1, silently)[0]
    refusals = {what: n for what, n in sorted(found.seen.items()) if what.startswith("refused ")}
    seen = {**{what: found.seen[what] for what in TRACKS}, **refusals}
    rows = [
        ("the shipped code", f"{found.schedules:,} schedules", ", ".join(f"{n:,} {what}" for what, n in seen.items())),
        ("rules broken", f"{len(found.broken):,}", "; ".join(sorted(set(found.broken.values())))[:300]),
        *((f"variant: {name}", "caught" if n else "not caught", f"in schedule {n}") for name, n in caught.items()),
    ]
    return Figure(
        "modelcheck",
        f"Model check of the shipped code, {STEPS} steps a schedule and its end",
        ("", "", ""),
        rows,
        (
            Claim(f"no rule breaks in {found.schedules:,} schedules", not found.broken),
            Claim(f"every broken variant is caught within {MOST} schedules", all(caught.values())),
        ),
        tuple(
            f"python -m tests.soak modelcheck --first {seed} --seeds 1  # {why}" for seed, why in found.broken.items()
        ),
        {"schedules": found.schedules, "broken": len(found.broken), "seen": dict(found.seen), "caught": caught},
    )


def caught_after(variant: Variant, most: int = MOST) -> int:
    """In which schedule a broken variant is first seen to be broken; 0 where it is not."""
    with variant() as extra:
        step = extra if callable(extra) else None
        return next((seed + 1 for seed in range(most) if run(seed, step) is not None), 0)


def run(seed: int, extra: Callable[[World], object] | None = None, seen: Counter[str] | None = None) -> str | None:
    """One schedule; the rule that it breaks, or None."""
    folder = Path(tempfile.mkdtemp(dir=_shared_memory()))
    world = World(seed, folder, extra)
    try:
        world.run(STEPS)
    except BrokenRule as broken:
        return str(broken)
    finally:
        if seen is not None:
            seen.update(world.seen)
        world.forget()
        shutil.rmtree(folder)
    return None


def plain(seeds: range) -> dict[str, Any]:
    """What these schedules came to, for JSON."""
    found = run_all(seeds)
    return {"schedules": found.schedules, "seen": dict(found.seen), "broken": found.broken}


def found_of(plain: dict[str, Any]) -> Found:
    """What it was, from JSON."""
    return Found(plain["schedules"], Counter(plain["seen"]), plain["broken"])


def catch(_: range) -> dict[str, int]:
    """By variant, in which schedule it is caught."""
    return {name: caught_after(variant) for name, variant in VARIANTS.items()}


def run_all(seeds: Iterable[int]) -> Found:
    """These schedules, one after the other."""
    found = Found()
    for seed in seeds:
        broken = run(seed, seen=found.seen)
        found.schedules += 1
        if broken is not None:
            found.broken[str(seed)] = broken
    return found


def _shared_memory() -> str | None:
    """A folder in memory where there is one: journals are written and read thousands of times."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
