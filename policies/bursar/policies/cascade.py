"""Which part of a two-stage cascade is an attempt, and why was its cheap answer not enough?"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bursar.policies.values import value


class StageName(StrEnum):
    """The parts of a cascade, in their order."""

    CHEAP = "cheap"
    ACCEPT = "accept"
    """Calls that the caller's test makes to come to its answer: they are part of what the cascade costs."""
    STRONG = "strong"


class Escalation(StrEnum):
    """Why the strong model was asked."""

    NOT_ACCEPTED = "not_accepted"
    """The caller's test said no to a whole answer."""
    MAX_TOKENS = "max_tokens"
    """The same, of an answer that was cut off by `max_tokens` or the end of the context window."""
    REFUSAL = "refusal"
    """The same, of an answer that the model declined to give."""
    UNPARSED = "unparsed"
    """The SDK's `parse` found that the answer does not fit `output_format`."""
    FAILED = "failed"
    """The API had no answer: the model is overloaded, broken or unknown to it."""


@value
class Stage:
    """An attempt's place in a cascade."""

    cascade: str
    """The id that all attempts of one cascade share."""
    name: str
    """A `StageName`."""
    strong: str
    """The model that the cascade escalates to, also where it has not: what the cheap answer is compared with."""
    why: str = ""
    """Of the strong stage, an `Escalation`."""


def stage_from_json(fields: Mapping[str, Any] | None) -> Stage | None:
    """A stage from its JSON object, and None from null. Raises `KeyError` or `TypeError`."""
    if fields is None:
        return None
    return Stage(str(fields["cascade"]), str(fields["name"]), str(fields["strong"]), str(fields.get("why", "")))
