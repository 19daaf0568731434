"""What of a request is changed, from what to what, why, and is anything lost by it?"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from bursar.policies.jsontext import encode
from bursar.policies.values import value


class Why(StrEnum):
    """Why a parameter is changed."""

    CEILING = "ceiling"
    """The model answers with no more tokens."""
    FIT = "fit"
    """The money lent bounds no more."""
    FORM = "form"
    """The model takes the same thing in another form."""
    DEFAULT = "default"
    """It is what the model does anyway."""
    LEVEL = "level"
    """The model has no such level, or not together with the rest of the request."""
    UNSUPPORTED = "unsupported"
    """The model has nothing of the kind."""
    UNREADABLE = "unreadable"
    """The model does not read what another has thought; the API leaves it out."""
    STEP = "step"
    """A budget's step asks for it."""
    ADVICE = "advice"
    """A recommendation is carried out, as the route allows."""


class Removed:
    """What stands in a plan for a parameter that is left out."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = Removed()


@value
class Change:
    """One parameter of a request, before and after; None: absent. Parameters only, never content."""

    parameter: str
    before: Any
    after: Any
    why: Why
    lossy: bool = False

    def told(self) -> dict[str, Any]:
        """As it stands in the ledger and on the span."""
        return {
            "parameter": self.parameter,
            "from": self.before,
            "to": self.after,
            "why": self.why.value,
            "lossy": self.lossy,
        }


def changes_json(notes: tuple[Change, ...]) -> str:
    """Changes as a JSON array."""
    return encode([note.told() for note in notes])


def changed(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A body with other top-level parameters. It is not copied deeply, and never changed in place."""
    merged = {**body, **changes}
    return {name: told for name, told in merged.items() if told is not REMOVED}


def without_betas(header: str, dropped: tuple[str, ...]) -> str:
    """An `anthropic-beta` header without some of its betas."""
    return ",".join(name for name in beta_names(header) if name not in dropped)


def beta_names(header: str | None) -> tuple[str, ...]:
    """The betas of an `anthropic-beta` header."""
    return tuple(filter(None, (name.strip() for name in (header or "").split(","))))
