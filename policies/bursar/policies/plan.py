"""How a request changes to fit another model, and why it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bursar.policies.book import ModelPrices
from bursar.policies.estimate import RequestSize, input_tokens
from bursar.policies.models import canonical


class Misfit(StrEnum):
    """Why a request cannot move to a model as it stands."""

    PLATFORM = "platform"
    """Its id is written for another platform or region, where this client's endpoint does not know it."""
    NO_PRICE = "no_price"
    MAX_TOKENS = "max_tokens"
    CONTEXT = "context"
    SPEED = "speed"
    GENERATION = "generation"
    """It uses a feature whose form differs between model generations, and the target is of another one."""
    RETIRED = "retired"


_GENERATION_BOUND = (
    "thinking",
    "output_config",
    "betas",
    "context_management",
    "mcp_servers",
    "container",
    "fallbacks",
)
"""Parameters whose accepted forms differ between generations: valid for one, a 400 for another."""

NEW_TOKENIZER_FACTOR = 1.35
"""Tokens of a 4.7-or-later tokenizer for one of an earlier; about 1.3 by Anthropic's pricing page, rounded up."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model a request may be moved to, with what the price book knows of it."""

    model: str
    facts: ModelPrices | None
    retired: bool = False


def misfit(body: Mapping[str, Any], size: RequestSize, source: ModelPrices | None, target: Target) -> Misfit | None:
    """The first reason why a body valid for `source` is not known to be valid for the target; None if it fits."""
    facts = target.facts
    if _elsewhere(str(body.get("model") or ""), target.model):
        return Misfit.PLATFORM
    if facts is None:
        return Misfit.NO_PRICE
    if target.retired:
        return Misfit.RETIRED
    if facts.max_output is not None and size.max_tokens > facts.max_output:
        return Misfit.MAX_TOKENS
    if facts.context_window is not None and _prompt(size, source, facts) + size.max_tokens > facts.context_window:
        return Misfit.CONTEXT
    if body.get("speed") not in (None, "standard"):
        return Misfit.SPEED
    if _generation_bound(body) and (source is None or source.generation != facts.generation):
        return Misfit.GENERATION
    return None


def _elsewhere(asked: str, target: str) -> bool:
    """Whether a target's id belongs to another platform than the one asked for, or to another region of it."""
    here, there = canonical(asked), canonical(target)
    if "bedrock" in (here.platform, there.platform):
        return (here.platform, here.region) != (there.platform, there.region)
    return there.platform is not None and here.platform is not None and here.platform != there.platform


def _prompt(size: RequestSize, source: ModelPrices | None, target: ModelPrices) -> int:
    tokens = input_tokens(size)
    if source is not None and source.tokenizer != target.tokenizer and target.tokenizer == "new":
        return int(tokens * NEW_TOKENIZER_FACTOR)
    return tokens


def _generation_bound(body: Mapping[str, Any]) -> bool:
    if any(body.get(name) for name in _GENERATION_BOUND):
        return True
    tools = body.get("tools")
    if not isinstance(tools, (list, tuple)):
        return False
    kinds = (tool.get("type") for tool in tools if isinstance(tool, Mapping))  # pyright: ignore
    return any(kind not in (None, "custom") for kind in kinds)  # pyright: ignore[reportUnknownVariableType]
