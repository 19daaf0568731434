"""What is to be so with a real receiver, and is it?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be so, and whether it is."""

    way: str
    says: str
    holds: bool
    found: object


def until(true: Callable[[], bool]) -> bool:
    """Look again and again until it is so; whether it ever was."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
