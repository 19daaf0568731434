"""
What is told of a call whose content is kept for an eval, and which calls are those?

The rules name the routes (`capture`), and how many calls of each. Of more than that those with the smallest lots are
kept: so what is kept is a fair sample of all calls of the time, and the fewer calls are told, the longer it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import Any, cast

PATH = "/guard/samples"
"""Where an agent takes them."""
MOST_BYTES = 1024 * 1024
"""Of a request and its answer together: larger ones are not kept."""


class SampleError(ValueError):
    """A message that cannot be understood; the text says which field and why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One call that was answered in full by the model that it was asked of: content, sent only where rules ask."""

    attempt_id: str
    route: str
    at_ns: int
    model: str
    """The one that answered."""
    betas: str
    """The `anthropic-beta` header; empty where there was none."""
    request: str
    """The body, as it was sent."""
    answer: str
    """As `answertext` puts it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the agent answers: which of the route's calls it wants from now on."""

    below: int | None
    """Those whose lots are smaller; None: all."""


def lot(attempt_id: str) -> int:
    """A number that is anybody's guess, and the same wherever it is drawn: from 0 up to, and without, 2^32."""
    return int.from_bytes(blake2b(attempt_id.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def to_body(message: Sample | Wanted) -> bytes:
    """A message as JSON."""
    return json.dumps(asdict(message)).encode("ascii")


def sample_from_json(told: object) -> Sample:
    """Raises `SampleError`."""
    values = _object(told)
    known = {field.name: values.get(field.name) for field in fields(Sample)}
    for name, value in known.items():
        if not (_is_whole(value) if name == "at_ns" else isinstance(value, str)):
            raise SampleError(f"{name} of a sample cannot be {ascii(value)[:40]}")
        if isinstance(value, str) and not _storable(value):
            raise SampleError(f"{name} of a sample is no whole text")
    return Sample(**cast("dict[str, Any]", known))


def wanted_from_json(told: object) -> Wanted:
    """Raises `SampleError`."""
    below = _object(told).get("below")
    if below is not None and not _is_whole(below):
        raise SampleError(f"below must be a whole number or null, not {ascii(below)[:40]}")
    return Wanted(cast("int | None", below))


def _object(told: object) -> Mapping[str, object]:
    if not isinstance(told, dict):
        raise SampleError("the message must be a JSON object")
    return cast("Mapping[str, object]", told)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _storable(text: str) -> bool:
    """Half a sign: JSON may escape one, and no database takes it."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)
