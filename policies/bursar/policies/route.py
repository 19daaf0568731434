"""What is a route, how is a call found to be of one, and what does it allow?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass(frozen=True, slots=True)
class Find:
    """How a call without a route of its own is recognised: globs that must all match; None asks nothing."""

    code: str | None = None
    """The nearest caller outside the SDK and frameworks, as in `desk.triage:run`."""
    http_route: str | None = None
    span: str | None = None
    """The name of the enclosing span."""
    baggage: str | None = None
    """One entry of the baggage as `key=value`."""
    service: str | None = None


CacheMode = Literal["off", "advise", "auto"]


@dataclass(frozen=True, slots=True)
class Capture:
    """How many of a route's calls are kept with their content, for an eval, and for how long."""

    samples: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Route:
    """The application's name for a kind of work, and what such work allows."""

    name: str
    find: Find | None = None
    """None: never found, only named by the application."""
    ladder: tuple[str, ...] | None = None
    """None: the policy's."""
    may_wait_seconds: float | None = None
    """How long its calls may wait for their answer in a Message Batch; None: never put off."""
    streams_wait: bool = False
    """Whether streams are put off too: their answer then comes whole."""
    credential_env: str | None = None
    """The environment variable of the agent that holds the API key of this route's client; None: the agent's own."""
    cache: CacheMode = "advise"
    """Whether its prompts are looked at for advice, or left alone (`off`); a route without a name is looked at too."""
    lossy: bool = False
    """Whether a request may lose something (thinking, effort, a beta) to fit another model or a step."""
    capture: Capture | None = None
    """None: nothing of what its calls say is kept."""
    requires_eval: bool | None = None
    """Whether its calls go to a weaker model only where an eval vouches for that. None: as the policy says."""


def find_route(
    routes: Sequence[Route],
    *,
    code: str | None,
    http_route: str | None = None,
    span: str | None = None,
    baggage: Mapping[str, object] | None = None,
    service: str | None = None,
) -> Route | None:
    """The first of them whose every `find` glob matches; what is not known about the call matches none."""
    entries = [f"{key}={value}" for key, value in (baggage or {}).items()]
    seen = {"code": _one(code), "http_route": _one(http_route), "span": _one(span), "service": _one(service)}
    for route in routes:
        if route.find is not None and _found(route.find, {**seen, "baggage": entries}):
            return route
    return None


def _found(find: Find, seen: Mapping[str, list[str]]) -> bool:
    globs = {name: getattr(find, name) for name in seen}
    return all(any(fnmatchcase(text, glob) for text in seen[name]) for name, glob in globs.items() if glob is not None)


def _one(text: str | None) -> list[str]:
    return [] if text is None else [text]
