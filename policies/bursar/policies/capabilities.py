"""What does a model accept in a request? Shipped facts with their sources, and the Models API's own word over them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, cast

from bursar.policies.models import canonical
from bursar.policies.shipped import read

MODELS_API = "Models API"
"""The source of what it says."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""Levels of effort, weak to strong."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    What one model accepts. None: nobody knows, which is a no to any request that uses it.

    Limits are told by the Models API alone; of shipped models they stand in the price book.
    """

    model: str
    """The canonical name."""
    thinking: frozenset[str] | None = None
    """Accepted values of `thinking.type`."""
    unset: Literal["off", "on", "always"] | None = None
    """What a request without `thinking` gets; `always`: it cannot be turned off."""
    still: str | None = None
    """The highest effort at which thinking may be turned off; None: any."""
    effort: tuple[str, ...] | None = None
    """Accepted levels of effort, weak to strong; empty: the parameter is refused."""
    effort_unset: str | None = None
    sampling: Literal["both", "either", "default"] | None = None
    """Whether `temperature` and `top_p` may both be set, either, or neither to anything but its default."""
    prefill: bool | None = None
    """Whether the last message may be the assistant's."""
    forced_tools: bool | None = None
    """Whether `tool_choice` may be `any` or `tool`."""
    system_messages: bool | None = None
    """Whether messages may have the role `system`."""
    structured_outputs: bool | None = None
    images: bool | None = None
    pdfs: bool | None = None
    citations: bool | None = None
    window_holds_output: bool | None = None
    """Whether a request is refused whose prompt and `max_tokens` together exceed the window."""
    tools: frozenset[str] | None = None
    """Accepted types of tools, beside the application's own."""
    code_calls_tools: bool | None = None
    """Whether code that runs on the server may call tools."""
    context_edits: frozenset[str] | None = None
    reads: frozenset[str] = frozenset()
    """Models whose thinking blocks it reads, beside its own; those of others the API drops."""
    bedrock_lacks: frozenset[str] = frozenset()
    """What it accepts elsewhere and not on Amazon Bedrock: names of fields, or types of tools."""
    lacks: frozenset[str] = frozenset()
    """Families of tools that the Models API says it refuses."""
    max_output: int | None = None
    context_window: int | None = None
    retired: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beta:
    """A beta that is known: for which models, and what becomes of a request that leaves it out."""

    models: frozenset[str] | None = None
    """None: it opts into something that no model decides."""
    drop: Literal["lossless", "lossy"] | None = None
    """What leaving it out means for other models; None: it may not be left out."""
    lossless_with: str | None = None
    """A form of thinking with which leaving it out loses nothing."""


@lru_cache(maxsize=1)
def shipped_capabilities() -> Mapping[str, Capabilities]:
    """The facts that come with the package, by canonical name."""
    return MappingProxyType(parse_capabilities(read("capabilities.toml")))


def shipped_as_of() -> date:
    """The day of the facts that come with the package."""
    told: date = tomllib.loads(read("capabilities.toml"))["as_of"]
    return told


@lru_cache(maxsize=1)
def shipped_betas() -> Mapping[str, Beta]:
    """The betas that are known, by their name in the header."""
    document = tomllib.loads(read("capabilities.toml"))
    return MappingProxyType({name: _beta(entry) for entry in document["beta"] for name in entry["names"]})


def parse_capabilities(text: str) -> dict[str, Capabilities]:
    """The models of a capability file. Raises ValueError where two facts contradict or one names no field."""
    found: dict[str, dict[str, Any]] = {}
    for fact in tomllib.loads(text)["fact"]:
        told = {name: value for name, value in fact.items() if name not in _ABOUT}
        for name in fact["models"]:
            _add(found.setdefault(name, {"sources": ()}), name, told, fact["source"])
    return {name: Capabilities(name, **known) for name, known in found.items()}


def capabilities(model: str, platform_model: str = "", known: Mapping[str, Capabilities] | None = None) -> Capabilities:
    """
    What is known of a model by the id that the price book gives it; nothing of a stranger.

    `platform_model` is the id as the client writes it: on Bedrock some models accept less. `known` is what stands in
    place of the shipped facts, by canonical name.
    """
    name = canonical(model).id
    found = (shipped_capabilities() if known is None else known).get(name) or Capabilities(name)
    return on_bedrock(found) if canonical(platform_model).platform == "bedrock" else found


def kept_of_models_api(models: Iterable[Any]) -> str:
    """What is kept of the Models API's list, as JSON: of each model what it accepts, and nothing else."""
    kept = [{name: model[name] for name in _KEPT if name in model} for model in map(_table, models) if model.get("id")]
    return json.dumps(sorted(kept, key=lambda model: str(model["id"])), separators=(",", ":"), sort_keys=True)


def told_by_models_api(text: str) -> Mapping[str, Capabilities]:
    """The shipped facts with what the Models API said over them. Raises ValueError for a text that is no list."""
    models: Any = json.loads(text)
    if not isinstance(models, list):
        raise ValueError("what the Models API said is no list of models")  # noqa: TRY004 - a text, wrong in its content
    told = [from_models_api(_table(model)) for model in models]  # pyright: ignore[reportUnknownVariableType]
    shipped = shipped_capabilities()
    over = {one.model: overlaid(shipped.get(one.model) or Capabilities(one.model), one) for one in told if one.model}
    return MappingProxyType({**shipped, **over})


@lru_cache(maxsize=256)
def on_bedrock(known: Capabilities) -> Capabilities:
    """The same model behind Amazon Bedrock."""
    lacks = known.bedrock_lacks
    told: dict[str, Any] = {name: False for name in lacks if name in _FLAGS}
    if known.tools is not None:
        told["tools"] = known.tools - lacks
    return replace(known, **told)


def from_models_api(info: Mapping[str, Any]) -> Capabilities:
    """What `GET /v1/models/{id}` says of a model; what it leaves out, or says in another form, is unknown."""
    said = _table(info.get("capabilities"))
    thinking, effort = _table(said.get("thinking")), _table(said.get("effort"))
    servers = _table(said.get("server_tools"))
    return Capabilities(
        model=canonical(str(info.get("id") or "")).id,
        thinking=_supported_in(_table(thinking.get("types")), _THINKING),
        effort=_levels(effort),
        structured_outputs=_supported(said.get("structured_outputs")),
        images=_supported(said.get("image_input")),
        pdfs=_supported(said.get("pdf_input")),
        citations=_supported(said.get("citations")),
        code_calls_tools=_supported(said.get("code_execution")),
        context_edits=_edits(_table(said.get("context_management"))),
        lacks=frozenset(name for name in _FAMILIES if _supported(servers.get(name)) is False),
        max_output=_count(info.get("max_tokens")),
        context_window=_count(info.get("max_input_tokens")),
        retired=info.get("lifecycle") == "retired",
        sources=(MODELS_API,) if said else (),
    )


def overlaid(known: Capabilities, told: Capabilities) -> Capabilities:
    """What is known, with what the Models API told over it."""
    new = {name: value for name in _TOLD if (value := getattr(told, name)) is not None}
    if known.tools is not None and told.lacks:
        new["tools"] = frozenset(tool for tool in known.tools if family(tool) not in told.lacks)
    return replace(
        known, **new, lacks=known.lacks | told.lacks, retired=told.retired, sources=(*known.sources, *told.sources)
    )


def family(tool: str) -> str:
    """`web_search` of `web_search_20260318`."""
    return tool.split("_20", 1)[0]


_KEPT = ("id", "max_input_tokens", "max_tokens", "lifecycle", "capabilities")
_ABOUT = ("models", "source", "argued")
_THINKING = ("adaptive", "enabled", "disabled", "between_tools")
_FAMILIES = ("web_search", "code_execution")
_SETS = ("thinking", "tools", "context_edits", "reads", "bedrock_lacks")
_FLAGS = ("structured_outputs", "images", "pdfs", "citations")
_FIELDS = frozenset(field.name for field in fields(Capabilities))
_TOLD = (
    *("thinking", "effort", *_FLAGS, "code_calls_tools", "context_edits"),
    *("max_output", "context_window"),
)


def _add(known: dict[str, Any], model: str, told: Mapping[str, Any], source: str) -> None:
    for name, value in told.items():
        if name not in _FIELDS:
            raise ValueError(f"{model}: {name} is no capability; the names are {', '.join(sorted(_FIELDS))}")
        if name in _SETS:
            known[name] = known.get(name, frozenset()) | frozenset(cast("list[str]", value))
        elif name in known:
            raise ValueError(f"{model}: {name} is told twice; keep one of the facts")
        else:
            known[name] = tuple(cast("list[str]", value)) if isinstance(value, list) else value
    known["sources"] = (*known["sources"], source)


def _beta(entry: Mapping[str, Any]) -> Beta:
    models = frozenset(cast("list[str]", entry["models"])) if "models" in entry else None
    return Beta(models, entry.get("drop"), entry.get("lossless_with"))


def _table(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _supported(value: Any) -> bool | None:
    said = _table(value).get("supported")
    return said if isinstance(said, bool) else None


def _supported_in(said: Mapping[str, Any], names: Iterable[str]) -> frozenset[str] | None:
    """The names that are supported; None where none of them is mentioned."""
    told = {name: _supported(said.get(name)) for name in names}
    return None if all(value is None for value in told.values()) else frozenset(n for n, yes in told.items() if yes)


def _levels(said: Mapping[str, Any]) -> tuple[str, ...] | None:
    if _supported(said) is False:
        return ()
    found = _supported_in(said, EFFORTS)
    return None if found is None else tuple(level for level in EFFORTS if level in found)


def _edits(said: Mapping[str, Any]) -> frozenset[str] | None:
    if _supported(said) is False:
        return frozenset()
    return _supported_in(said, (name for name in said if name != "supported"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
