"""Which attributes does one backend read that the conventions do not have, and what stands in them?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from bursar.policies.charge import Charge
from bursar.policies.usage import Usage

NANO_PER_USD = 1_000_000_000
_encode = json.JSONEncoder(separators=(",", ":")).encode

Attributes = dict[str, str | int | float | bool]
Costs = Mapping[str, int]
"""Nano-dollars by class of a charge's lines; empty where the cost of any charge is unknown."""

_LANGFUSE = {
    "input": "input",
    "cache_read": "input_cache_read",
    "cache_write_5m": "input_cache_creation_5m",
    "cache_write_1h": "input_cache_creation_1h",
    "output": "output",
}
"""Keys of Langfuse's own price list for Claude; it takes what begins with `input` and `output` together."""

_PROMPT = ("input", "cache_read", "cache_write_5m", "cache_write_1h")


def translate(dialects: Sequence[str], charges: Sequence[Charge]) -> Attributes:
    """
    The attributes of one call's span, told again for these backends; later dialects win where two share a name.

    A cost that is not known in full is left out, never told as less. Raises `KeyError` for a dialect that is none.
    """
    if not dialects or not charges:
        return {}
    usage, costs = _used(charges), _costs(charges)
    attributes: Attributes = {}
    for dialect in dialects:
        attributes.update(DIALECTS[dialect](usage, costs))
    return attributes


def _used(charges: Sequence[Charge]) -> Usage:
    usage = charges[0].usage
    for charge in charges[1:]:
        usage = usage + charge.usage
    return usage


def _costs(charges: Sequence[Charge]) -> Costs:
    if any(charge.cost_nano_usd is None for charge in charges):
        return {}
    costs = {"total": 0}
    for charge in charges:
        costs["total"] += charge.cost_nano_usd or 0
        for line in charge.lines:
            costs[line.label] = costs.get(line.label, 0) + line.nano_usd
    return costs


def _langfuse(usage: Usage, costs: Costs) -> Attributes:
    """Its own two attributes go before all others, and before its own price list."""
    counts = {theirs: getattr(usage, ours) for ours, theirs in _LANGFUSE.items()}
    counts["total"] = usage.prompt + usage.output
    attributes: Attributes = {"langfuse.observation.usage_details": _encode(counts)}
    if costs:
        usd = {_LANGFUSE.get(label, label): nano / NANO_PER_USD for label, nano in costs.items()}
        attributes["langfuse.observation.cost_details"] = _encode(usd)
    return attributes


def _openinference(usage: Usage, costs: Costs) -> Attributes:
    """What Phoenix and Arize were made for. Phoenix reckons the cost by itself, whatever it is told."""
    count = "llm.token_count"
    attributes: Attributes = {
        "openinference.span.kind": "LLM",
        f"{count}.prompt": usage.prompt,
        f"{count}.completion": usage.output,
        f"{count}.total": usage.prompt + usage.output,
        f"{count}.prompt_details.cache_read": usage.cache_read,
        f"{count}.prompt_details.cache_write": usage.cache_write,
        f"{count}.completion_details.reasoning": usage.thinking,
    }
    if costs:
        nano = {
            "total": costs["total"],
            "prompt": sum(costs.get(label, 0) for label in _PROMPT),
            "completion": costs.get("output", 0),
            "prompt_details.input": costs.get("input", 0),
            "prompt_details.cache_read": costs.get("cache_read", 0),
            "prompt_details.cache_write": costs.get("cache_write_5m", 0) + costs.get("cache_write_1h", 0),
        }
        attributes.update({f"llm.cost.{name}": amount / NANO_PER_USD for name, amount in nano.items()})
    return attributes


def _traceloop(usage: Usage, _: Costs) -> Attributes:
    """The names of 2024, before there were conventions: all that Helicone reads. They have none for a cost."""
    return {
        "gen_ai.system": "anthropic",
        "gen_ai.usage.prompt_tokens": usage.prompt,
        "gen_ai.usage.completion_tokens": usage.output,
        "llm.usage.total_tokens": usage.prompt + usage.output,
    }


def _logfire(_: Usage, costs: Costs) -> Attributes:
    """The one number that its pages add up."""
    return {"operation.cost": costs["total"] / NANO_PER_USD} if costs else {}


def _proposal(_: Usage, costs: Costs) -> Attributes:
    """What semantic-conventions-genai#443 proposes; `local`, since it was computed here, not read off a response."""
    if not costs:
        return {}
    cost = "gen_ai.usage.cost"
    return {f"{cost}.amount": costs["total"] / NANO_PER_USD, f"{cost}.currency": "USD", f"{cost}.source": "local"}


DIALECTS: Mapping[str, Callable[[Usage, Costs], Attributes]] = {
    "langfuse": _langfuse,
    "openinference": _openinference,
    "traceloop": _traceloop,
    "logfire": _logfire,
    "otel-proposal": _proposal,
}
