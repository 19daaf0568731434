"""How long does a span say that its call took, and how long was it until the first token?"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.elapsed import LONGEST_NS, elapsed

_SECOND = 10**9
_FIRST_SECONDS = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
"""In seconds from the span's start: the conventions', which the SDK writes, and OpenLIT's."""
_STREAMED = "gen_ai.request.is_stream"
"""OpenLIT's, which tells a time to the first token also of what was no stream: there it is that to the last."""
_FIRST_EVENT = "First Token Stream Event"
"""OpenInference's."""


class Times(NamedTuple):
    """In nanoseconds, as of a charge; None where the span does not tell, or tells what cannot be true."""

    duration_ns: int | None = None
    first_token_ns: int | None = None


def times_of(span: SeenSpan) -> Times:
    """Those of a span of one attempt, from its start on."""
    duration_ns = elapsed(span.start_ns, span.end_ns)
    return within(Times(duration_ns, _first_token_ns(span)))


def within(times: Times) -> Times:
    """Without a first token that came after the last."""
    duration_ns, first_ns = times
    return Times(duration_ns) if first_ns is not None and first_ns > (duration_ns or LONGEST_NS) else times


def _first_token_ns(span: SeenSpan) -> int | None:
    if span.attributes.get(_STREAMED) is False:
        return None
    for name in _FIRST_SECONDS:
        seconds = span.attributes.get(name)
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and isfinite(seconds):
            return elapsed(0, round(seconds * _SECOND))
    return next((elapsed(span.start_ns, at_ns) for at_ns in span.happened(_FIRST_EVENT)), None)
