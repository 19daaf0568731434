"""What every simulated world stands on: a model and its price, a clock, the rules of a policy file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.requestsize import measure

HOST = "here"

MODEL = "claude-sonnet-5-5"

INPUT_NANO, OUTPUT_NANO = 2_000, 10_000
"""What a token of it costs, in nano-dollars."""


@cache
def read_policy(text: str) -> Policy:
    """The rules in a policy file's text."""
    return parse_policy(text, file="soak.toml")


def most_input(body: dict[str, Any]) -> int:
    """How many tokens a request is taken to have at most."""
    return measure(body).input_bound


@dataclass
class Clock:
    """What time it is: for intervals, and on the wall, which somebody may set."""

    seconds: float = 0.0
    offset: float = 0.0
    start_ns: int = 0

    def monotonic(self) -> float:
        """Never goes back."""
        return self.seconds

    def wall_ns(self) -> int:
        """May jump."""
        return self.start_ns + int((self.seconds + self.offset) * 1e9)


def ignore(*_: object, **__: object) -> None:
    """What is told here interests nobody."""


def instant(text: str) -> int:
    """An ISO instant in nanoseconds since the epoch."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 10**9
