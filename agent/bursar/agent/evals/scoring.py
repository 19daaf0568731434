"""How far does a candidate's answer agree with the reference's: from 0, not at all, to 1?"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

Score = Callable[[str, str], float]
"""Of the reference's text and the candidate's. Raises `UnscorableError`."""

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)
_ABSENT = object()
CLOSE = 1e-9
"""Two numbers are the same where they differ by no larger a part: decimals that a binary float cannot hold."""


class ScoreError(ValueError):
    """There is no such way to score; the text says what to write."""


class UnscorableError(Exception):
    """A sample that nothing can be measured by; the text says why, in words without content."""


def scorer(named: str, fields: Sequence[str] = (), folder: Path | None = None) -> Score:
    """`exact`, `json` (of chosen fields, or the whole), or a function of the user's. Raises `ScoreError`."""
    if fields and named != "json":
        raise ScoreError("--fields go with --score json: take one of the two out, or write both")
    if named == "exact":
        return exact
    if named == "json":
        return _of_fields(tuple(tuple(field.split(".")) for field in fields))
    if ":" in named:
        return _of_user(named, folder or Path.cwd())
    raise ScoreError(f'there is no score "{named}": write exact, json, or module:function of your own')


def exact(reference: str, candidate: str) -> float:
    """The same text, but for white space."""
    return float(reference.split() == candidate.split())


def same(reference: object, candidate: object) -> bool:
    """The same JSON value: numbers by value, texts but for white space, lists in order, objects by key."""
    if isinstance(reference, bool) or isinstance(candidate, bool):
        return reference is candidate
    if isinstance(reference, int | float) and isinstance(candidate, int | float):
        return math.isclose(reference, candidate, rel_tol=CLOSE)
    if isinstance(reference, str) and isinstance(candidate, str):
        return reference.split() == candidate.split()
    if isinstance(reference, list) and isinstance(candidate, list):
        here, there = cast("list[object]", reference), cast("list[object]", candidate)
        return len(here) == len(there) and all(map(same, here, there))
    if isinstance(reference, dict) and isinstance(candidate, dict):
        mine, other = cast("dict[str, object]", reference), cast("dict[str, object]", candidate)
        return mine.keys() == other.keys() and all(same(mine[name], other[name]) for name in mine)
    return reference is candidate  # null, what a path does not lead to, and values of two kinds


def _of_fields(paths: tuple[tuple[str, ...], ...]) -> Score:
    """A call agrees where every chosen field does."""

    def score(reference: str, candidate: str) -> float:
        try:
            told = _parsed(reference)
        except ValueError as error:
            raise UnscorableError("the reference's answer is no JSON") from error
        try:
            other = _parsed(candidate)
        except ValueError:
            return 0.0
        if not paths:
            return float(same(told, other))
        if all(_at(told, path) is _ABSENT for path in paths):
            raise UnscorableError("the reference's answer has none of the fields")
        return float(all(same(_at(told, path), _at(other, path)) for path in paths))

    return score


def _of_user(named: str, folder: Path) -> Score:
    """The user's function, found before anything is spent."""
    module, _, name = named.partition(":")
    sys.path.insert(0, str(folder))
    try:
        function: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ScoreError(
            f"{named} cannot be loaded from {folder} ({error}): name a module there, and its function"
        ) from (error)
    finally:
        sys.path.remove(str(folder))
    if not callable(function):
        raise ScoreError(f"{named} is no function: name one of (reference_text, candidate_text)")

    def score(reference: str, candidate: str) -> float:
        try:
            found: object = function(reference, candidate)
        except Exception as error:  # the user's own code: what was paid for is not lost by it
            raise UnscorableError(f"{named} raised {type(error).__name__}") from error  # its text may be content
        if not isinstance(found, bool | int | float) or not 0 <= found <= 1:
            raise UnscorableError(f"{named} returned neither true nor false nor a number from 0 to 1")
        return float(found)

    return score


def _parsed(text: str) -> object:
    """JSON, bare or in a fence of its own as models like to write it. Raises ValueError."""
    fenced = _FENCED.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _at(value: object, path: Sequence[str]) -> object:
    """What a path of keys, or of places in lists, leads to."""
    for step in path:
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", value).get(step, _ABSENT)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(cast("list[object]", value)):
            value = cast("list[object]", value)[int(step)]
        else:
            return _ABSENT
    return value
