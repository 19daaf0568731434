"""Is this text a usage object of Anthropic's?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from bursar.policies.policyfile.mistakes import did_you_mean

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "cache_creation": ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    "server_tool_use": ("web_search_requests", "web_fetch_requests"),
    "output_tokens_details": ("thinking_tokens",),
}
_COUNTING = (*_COUNTS, *GROUPS, "iterations")
KEYS = (*_COUNTING, "service_tier", "inference_geo", "speed", "fallback_credit")
OF_ITERATIONS = (*_COUNTS, "cache_creation", "type", "model")


class UsageTextError(ValueError):
    """A text that is no usage object; says which key is wrong, why, and what to write."""


def parse_usage(text: str) -> Mapping[str, Any]:
    """
    The object that a text holds, as the API reports it: `{"input_tokens": 12, "output_tokens": 34}`.

    A key of another name is refused, since a count that is not understood would be missing from the price. Raises
    `UsageTextError`.
    """
    usage = _object(_json(text), "--usage")
    _check(usage, KEYS, "")
    for place, entry in enumerate(_list(usage.get("iterations"))):
        _check(_object(entry, f"--usage: iterations[{place}]"), OF_ITERATIONS, f"iterations[{place}].")
    if not any(name in usage for name in _COUNTING):
        raise UsageTextError("--usage counts nothing: give at least input_tokens or output_tokens")
    return usage


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        example = '\'{"input_tokens": 12, "output_tokens": 34}\''
        raise UsageTextError(
            f"--usage is no JSON ({error}): write Anthropic's usage object, as in {example}"
        ) from error


def _check(usage: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name, value in usage.items():
        if name not in known:
            raise UsageTextError(
                f"--usage: {where}{name} is no key of Anthropic's usage object: {did_you_mean(name, known)}"
                f"the keys are {', '.join(known)}"
            )
        if name in GROUPS and value is not None:
            _check_group(_object(value, f"--usage: {where}{name}"), GROUPS[name], f"{where}{name}.")
        elif name in _COUNTS:
            _check_count(value, f"{where}{name}")


def _check_group(group: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name, value in group.items():
        if name not in known:
            raise UsageTextError(f"--usage: {where}{name} is not known: the keys there are {', '.join(known)}")
        _check_count(value, f"{where}{name}")


def _check_count(value: object, where: str) -> None:
    """Null is a count that the API leaves out."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise UsageTextError(f"--usage: {where} is {json.dumps(value)}: write a whole number of 0 or more")


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageTextError(f'{where} is {json.dumps(value)[:40]}, no JSON object: write {{"name": number}}')
    return cast("dict[str, Any]", value)


def _list(value: object) -> list[object]:
    if value is not None and not isinstance(value, list):
        raise UsageTextError(f"--usage: iterations is {json.dumps(value)[:40]}: write a list of objects")
    return cast("list[object]", value or [])
