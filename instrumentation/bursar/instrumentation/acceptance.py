"""Is a cheap model's answer good enough? Ready tests for `cascade(accept=...)`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from bursar.policies.usage import fields_of

Test = Callable[[Any], bool]
"""Whether an answer is accepted."""

CUT_OFF = frozenset({"max_tokens", "model_context_window_exceeded"})
_UNFINISHED = CUT_OFF | {"refusal", "pause_turn"}
"""Stop reasons of messages that no ready test accepts, whatever they say so far."""

_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


def matches(schema: Any) -> Test:
    """
    Accept an answer that fits a pydantic model (or any type that pydantic knows), or a JSON Schema given as a dict.

    JSON Schema needs the package `jsonschema`. Raises `ValueError` for a schema that is none.
    """
    fits = _json_schema(cast("Mapping[str, Any]", schema)) if isinstance(schema, Mapping) else _pydantic(schema)

    def test(message: Any) -> bool:
        try:
            answer = _answer(message)
        except _NoAnswerError:
            return False
        return fits(answer)

    return test


def flag(key: str, *, value: object = True) -> Test:
    """
    Escalate where the answer, a JSON object, has this value under a key: `flag("escalate")`.

    The model is asked to always say it: an answer without the key is not accepted either.
    """

    def test(message: Any) -> bool:
        found = _field(message, key)
        return found is not _ABSENT and not (found == value and type(found) is type(value))

    return test


def at_least(key: str, least: float) -> Test:
    """Accept an answer, a JSON object, whose number under a key is as high: `at_least("confidence", 0.8)`."""

    def test(message: Any) -> bool:
        found = _field(message, key)
        return isinstance(found, (int, float)) and not isinstance(found, bool) and found >= least

    return test


class _NoAnswerError(Exception):
    """A message without a whole answer in JSON."""


_ABSENT = object()


def _field(message: Any, key: str) -> Any:
    """What stands under a key of the answer; `_ABSENT` where nothing does."""
    try:
        answer = _answer(message)
    except _NoAnswerError:
        return _ABSENT
    if isinstance(answer, BaseModel):
        answer = answer.model_dump(mode="json", by_alias=True)
    return cast("Mapping[str, Any]", answer).get(key, _ABSENT) if isinstance(answer, Mapping) else _ABSENT


def _answer(message: Any) -> Any:
    """
    What a message says: what `parse` made of it, else the input of its first tool call, else its text read as JSON.

    Raises `_NoAnswerError` where it says nothing whole, and `TypeError` for what is no message.
    """
    get = fields_of(message)
    content: Any = get("content")
    if not isinstance(content, list):
        raise TypeError(
            f"the ready tests read a message, and this is a {type(message).__name__}: give cascade a method that "
            "returns one, such as client.messages.create, or write a test of your own"
        )
    if get("stop_reason") in _UNFINISHED:
        raise _NoAnswerError
    # A property of the SDK's own message; a plain key where somebody made it JSON.
    parsed = get("parsed_output") or getattr(message, "parsed_output", None)
    if parsed is not None:
        return parsed
    blocks = [fields_of(block) for block in cast("Iterable[Any]", content)]
    for block in blocks:
        if block("type") == "tool_use":
            return block("input")
    return _json("".join(block("text") for block in blocks if block("type") == "text"))


def _json(text: str) -> Any:
    """A text read as JSON, also where the model put it into a fence."""
    fenced = _FENCED.fullmatch(text.strip())
    try:
        return json.loads(fenced[1] if fenced else text)
    except ValueError as error:
        raise _NoAnswerError from error


def _pydantic(kind: Any) -> Test:
    from pydantic import TypeAdapter  # not in pydantic 1, which the SDK takes as well

    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def fits(answer: Any) -> bool:
        try:
            # An object is one that `parse` has made, of this type or of another.
            adapter.validate_python(answer.model_dump() if isinstance(answer, BaseModel) else answer)
        except ValidationError:
            return False
        return True

    return fits


def _json_schema(schema: Mapping[str, Any]) -> Test:
    try:
        jsonschema = import_module("jsonschema")
    except ImportError as error:
        raise ImportError(
            'matches() of a JSON Schema needs the package jsonschema: pip install "bursar[schema]", or give a pydantic '
            "model instead of the schema"
        ) from error
    validators: Any = jsonschema.validators
    kind: Any = validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"matches() was given a dict that is no JSON Schema: {error.message}") from error
    validator = kind(schema)

    def fits(answer: Any) -> bool:
        plain = answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer
        valid: bool = validator.is_valid(plain)
        return valid

    return fits
