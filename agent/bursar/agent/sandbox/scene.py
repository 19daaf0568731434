"""What scene did the request ask to be played? The `x-sandbox-*` headers, or the same words of the whole sandbox."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bursar.agent.sandbox.errors import ApiError, invalid

PREFIX = "x-sandbox-"


class Mishap(StrEnum):
    """What goes wrong, by the value of `x-sandbox-error`."""

    RATE_LIMIT = "429"
    OVERLOADED = "529"
    SERVER_ERROR = "500"
    TOO_LARGE = "413"
    MIDSTREAM = "midstream"
    CUT = "cut"
    HANG = "hang"


_REFUSALS = {
    Mishap.RATE_LIMIT: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    Mishap.OVERLOADED: ("overloaded_error", "Overloaded"),
    Mishap.SERVER_ERROR: ("api_error", "Internal server error"),
    Mishap.TOO_LARGE: ("request_too_large", "Request exceeds the maximum size"),
}
_RETRY_AFTER = "1"


@dataclass(frozen=True, slots=True)
class Scene:
    """One request's staging; `times` limits the mishap to the first requests of the scene called `name`."""

    output_tokens: int | None
    latency_s: float  # before the response begins
    pace_s: float  # before each delta of a stream
    mishap: Mishap | None
    name: str
    times: int | None
    retry_after: str | None

    def refusal(self) -> ApiError | None:
        """The error that answers the request in place of a message, if the mishap is one of status."""
        if self.mishap is None or self.mishap not in _REFUSALS:
            return None
        kind, message = _REFUSALS[self.mishap]
        default = _RETRY_AFTER if self.mishap is Mishap.RATE_LIMIT else None
        return ApiError(kind, message, retry_after=self.retry_after or default)


def read_scene(headers: Mapping[str, str]) -> Scene:
    """The scene in a request's headers (lower case); a header that cannot be read is a 400 that says what can."""
    times = whole(headers, "error-times", 1)
    name = headers.get(PREFIX + "scene", "")
    if times is not None and not name:
        raise invalid(PREFIX + "error-times", f"counts the requests of one scene; name it with {PREFIX}scene")
    return Scene(
        output_tokens=whole(headers, "output-tokens", 1),
        latency_s=(whole(headers, "latency-ms", 0) or 0) / 1_000,
        pace_s=(whole(headers, "pace-ms", 0) or 0) / 1_000,
        mishap=_mishap(headers),
        name=name,
        times=times,
        retry_after=headers.get(PREFIX + "retry-after"),
    )


def _mishap(headers: Mapping[str, str]) -> Mishap | None:
    value = headers.get(PREFIX + "error")
    if value is None:
        return None
    if value not in list(Mishap):
        raise invalid(PREFIX + "error", f"'{value}' is not one of {', '.join(Mishap)}")
    return Mishap(value)


def whole(headers: Mapping[str, str], name: str, least: int) -> int | None:
    """The whole number in the header of that name (without its prefix), if it is there; raises a 400 if it is none."""
    value = headers.get(PREFIX + name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or int(value) < least:
        raise invalid(PREFIX + name, f"'{value}' is not a whole number of {least} or more")
    return int(value)


class Callboard:
    """How often each named scene has gone wrong so far."""

    def __init__(self) -> None:
        self._played: Counter[str] = Counter()

    def due(self, scene: Scene) -> bool:
        """Whether the mishap happens this time; counts it if so."""
        if scene.mishap is None:
            return False
        if scene.times is None:
            return True
        if self._played[scene.name] >= scene.times:
            return False
        self._played[scene.name] += 1
        return True
