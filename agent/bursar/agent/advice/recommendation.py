"""What is one piece of advice: of which kind, about what, worth how much, on what evidence?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any

_ID_BYTES = 4


class Kind(StrEnum):
    """What a recommendation is about."""

    CACHE = "cache"
    """Cache what prompts share, as far as token counts alone can tell: of routes without fingerprints."""
    CUT = "cut"
    """Where the cache marks should stand, and for how long they should live."""
    BREAK = "break"
    """What keeps prompts from being read from the cache, and what to do about it."""
    MOVE = "move"
    """Text that many prompts share behind text that they do not: put it in front."""
    KEEP_ALIVE = "keep_alive"
    """Read an entry before it ends, so that it need not be written again."""
    PREWARM = "prewarm"
    """Write an entry before the calls come that read it."""
    NOT_HERE = "not_here"
    """Where caching does not pay, and why."""
    BATCH = "batch"
    VERBOSITY = "verbosity"
    WASTE = "waste"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Saving:
    """Nano-dollars a day: from `low`, which is quoted, to `high`; with nine chances in ten where days were compared."""

    low: int
    mid: int | None
    """As observed; None where it is only known what it must be between."""
    high: int

    def __post_init__(self) -> None:
        middle = self.low if self.mid is None else self.mid
        if not self.low <= middle <= self.high:
            raise ValueError(f"{self.low} to {middle} to {self.high} is no interval")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One piece of advice, ready to be shown."""

    kind: Kind
    route: str
    """Empty where it is about all of them."""
    model: str
    """Empty where it is about all of the route's."""
    text: str
    """What to do, on what evidence, what it is worth: whole sentences."""
    place: str = ""
    """What of the route it is about, where one kind has several: part of the id, so nothing in it that changes."""
    saving: Saving | None = None
    """None where nothing is advised, or nothing is known of what it is worth."""
    under: Mapping[str, Saving] = field(default_factory=dict[str, Saving])
    """The same under other readings of what nobody documents, by the reading's name."""
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Figures by name, fit for JSON; money as whole nano-dollars, in names that end with `nano_usd`."""
    snippet: str = ""
    """The change, as code of the user's own call or as lines of the policy; empty where there is none."""
    assumes: tuple[str, ...] = ()
    """What the figures rest on, in the same words for all that rest on it."""
    advised: bool = True
    """Whether it says to do something."""

    @property
    def id(self) -> str:
        """Eight hex digits, the same for the same advice tomorrow: of kind, route, model and place."""
        told = "\0".join((self.kind, self.route, self.model, self.place))
        return blake2b(told.encode(), digest_size=_ID_BYTES).hexdigest()


def ordered(found: Iterable[Recommendation]) -> list[Recommendation]:
    """What to do before what not to; of both the surest saving first, then the larger, then by name."""
    return sorted(found, key=_order)


def _order(one: Recommendation) -> tuple[bool, int, int, str, str, str]:
    low, high = (0, 0) if one.saving is None else (one.saving.low, one.saving.high)
    return not one.advised, -low, -high, one.route, one.model, one.id


def to_json(one: Recommendation) -> dict[str, Any]:
    """A recommendation as a JSON object; money in nano-dollars. Of kind `cache`, its evidence stands beside it too."""
    return {
        "id": one.id,
        "kind": one.kind.value,
        "route": one.route,
        "model": one.model,
        "place": one.place,
        "advised": one.advised,
        "saving_nano_usd_per_day": _saving_to_json(one.saving),
        "saving_under": {name: _saving_to_json(saving) for name, saving in one.under.items()},
        "text": one.text,
        "assumes": " ".join(one.assumes) or None,
        "snippet": one.snippet or None,
        "evidence": dict(one.evidence),
        **(one.evidence if one.kind is Kind.CACHE else {}),
    }


def _saving_to_json(saving: Saving | None) -> dict[str, int | None] | None:
    return None if saving is None else {"from": saving.low, "expected": saving.mid, "to": saving.high}
