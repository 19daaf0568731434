"""What does a `capture` key ask to be kept of a route's calls?"""

from __future__ import annotations

import re

from bursar.policies.amounts import AmountError, parse_duration
from bursar.policies.route import Capture

USUAL_SECONDS = 14 * 86_400.0
MOST_SAMPLES = 2_000
MOST_SECONDS = 30 * 86_400.0
"""Content is kept for an eval, and no longer than that takes."""

_CAPTURE = re.compile(r"eval ([0-9]{1,6})(?: for (\S+))?")


def parse_capture(text: str) -> Capture:
    """`eval 500` or `eval 500 for 7d`: so many calls at most, each for so long at most."""
    found = _CAPTURE.fullmatch(text.strip())
    if not found:
        raise AmountError(
            f'"{text}" does not say what is kept', 'write how many calls, and for how long: "eval 500 for 14d"'
        )
    capture = Capture(int(found[1]), USUAL_SECONDS if found[2] is None else parse_duration(found[2]))
    if not 1 <= capture.samples <= MOST_SAMPLES:
        raise AmountError(f'"{text}" keeps too many calls, or none', f"write 1 to {MOST_SAMPLES:,} of them")
    if not 0 < capture.seconds <= MOST_SECONDS:
        raise AmountError(f'"{text}" keeps them too long, or not at all', "write a span up to 30d")
    return capture
