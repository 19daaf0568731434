"""What does one check find, and what does it look at?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from bursar.agent.settings import Settings


class State(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    """It works, and somebody should know."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do where it is not well."""

    what: str
    state: State
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the checks look at. `now` is this machine's clock, in UTC: ages, ends and other clocks are judged by it."""

    settings: Settings
    environ: Mapping[str, str]
    now: datetime
    python: tuple[int, ...] = sys.version_info[:3]

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self.now.date()

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return int(self.now.timestamp()) * 10**9


Check = Callable[[Surroundings], Iterator[Finding]]
"""Looks at one thing; nothing where there is nothing to say."""


def well(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed."""
    return all(finding.state is not State.FAIL for finding in findings)
