"""How a request changes to fit another model, and why it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, cast

from bursar.policies.capabilities import Capabilities, shipped_betas
from bursar.policies.changes import REMOVED, Change, Why, beta_names
from bursar.policies.draft import Draft
from bursar.policies.estimate import input_tokens
from bursar.policies.features import Features, features
from bursar.policies.requestsize import RequestSize
from bursar.policies.rungs import Misfit, Rung, elsewhere
from bursar.policies.thinking import LEAST_BUDGET, plan_effort, plan_history, plan_sampling, plan_thinking, thinks
from bursar.policies.values import value

__all__ = ["Misfit", "Plan", "Rung", "caches", "milder", "plan"]

NEW_TOKENIZER_FACTOR = 1.35
"""Tokens of a 4.7-or-later tokenizer for one of an earlier; about 1.3 by Anthropic's pricing page, rounded up."""
FAST_MODE = "fast-mode-2026-02-01"
FEW_PAGES, FEW_PAGES_WINDOW = 100, 1_000_000
"""Images and PDF pages that a request may have where the window is smaller than this."""

_PARAMETERS = frozenset(
    {"model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "output_config", "output_format"}
    | {"temperature", "top_p", "top_k", "stop_sequences", "stream", "metadata", "service_tier", "speed"}
    | {"inference_geo", "cache_control", "context_management", "diagnostics", "billing_policy"}
)
"""Parameters that every model accepts, or that are planned here. Any other may be a 400 for another model."""


@value
class Plan:
    """How a request changes: parameters to set or to leave out, betas to leave out, and a note for each."""

    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """`REMOVED` stands for a parameter to leave out."""
    dropped_betas: tuple[str, ...] = ()
    notes: tuple[Change, ...] = ()
    cache_works: bool = True
    """Whether the prompt is long enough for the model to cache it at all."""


def plan(
    body: Mapping[str, Any],
    betas: str | None,
    size: RequestSize,
    source: Rung,
    target: Rung,
    *,
    lossy_allowed: bool,
    floor: int = 0,
    used: Features | None = None,
) -> Plan | Misfit:
    """
    How a body that is valid for `source` becomes one that is valid for `target`, or the first reason why it cannot.

    `betas` is the `anthropic-beta` header, `floor` the fewest `max_tokens` that its route can work with, `used` what
    `features` says of the body. Content is neither copied nor changed: only parameters beside it are.
    """
    draft = Draft(body, used or features(body), source, target)
    misfit = (
        _taken(draft)
        or _limits(draft, size, floor)
        or _content(draft.used, target.can)
        or _pages(draft)
        or _tools(draft.used, target.can)
        or _edits(draft)
        or plan_thinking(draft)
        or plan_effort(draft)
        or plan_sampling(draft)
        or _speed(draft)
        or plan_history(draft)
        or _betas(draft, beta_names(betas))
        or _together(draft)
    )
    if misfit is not None:
        return misfit
    if not lossy_allowed and any(note.lossy for note in draft.notes):
        return Misfit.LOSSY
    return Plan(draft.changes, tuple(draft.dropped_betas), tuple(draft.notes), caches(size, target))


def milder(body: Mapping[str, Any], rung: Rung, *, lossy_allowed: bool, used: Features | None = None) -> Plan | Misfit:
    """The same request with less effort on the same model: a thinking budget halved, or the next level below."""
    used = used or features(body)
    draft = Draft(body, used, rung, rung)
    thinking, levels = draft.table("thinking"), rung.can.effort or ()
    budget = thinking.get("budget_tokens")
    level = draft.table("output_config").get("effort") or rung.can.effort_unset
    if not draft.max_tokens or "message" in used.strange_blocks:
        return Misfit.EFFORT  # nothing is thought, or each turn has a level of its own
    if thinking.get("type") == "enabled" and isinstance(budget, int) and budget > LEAST_BUDGET:
        changes: dict[str, Any] = {"thinking": {**thinking, "budget_tokens": max(LEAST_BUDGET, budget // 2)}}
        note = Change("thinking", thinking, changes["thinking"], Why.STEP, lossy=True)
    elif level in levels[1:]:
        lower = levels[levels.index(level) - 1]
        config = draft.table("output_config")
        changes = {"output_config": {**config, "effort": lower}}
        note = Change("output_config.effort", config.get("effort"), lower, Why.STEP, lossy=True)
    else:
        return Misfit.EFFORT
    return Plan(changes, notes=(note,)) if lossy_allowed else Misfit.LOSSY


def caches(size: RequestSize, rung: Rung) -> bool:
    """Whether a prompt is likely long enough to be cached; where nobody knows the minimum it is taken to be."""
    least = rung.facts.min_cacheable_tokens if rung.facts is not None else None
    return least is None or input_tokens(size) >= least


def _taken(draft: Draft) -> Misfit | None:
    """Whether the model is there to take any request of the kind."""
    source, target, body = draft.source, draft.target, draft.body
    if elsewhere(source.model, target.model):
        return Misfit.PLATFORM
    if target.facts is None:
        return Misfit.NO_PRICE
    if target.retired or target.can.retired:
        return Misfit.RETIRED
    if any(body[name] is not None for name in body.keys() - _PARAMETERS):
        return Misfit.PARAMETER
    if body.get("inference_geo") is not None and not target.facts.geo:
        return Misfit.RESIDENCY
    return None


def _limits(draft: Draft, size: RequestSize, floor: int) -> Misfit | None:
    ceiling, window = draft.target.max_output, draft.target.context_window
    if size.max_tokens == 0:
        return Misfit.WARM_UP
    if ceiling is None or ceiling < min(floor, size.max_tokens):
        return Misfit.MAX_TOKENS
    if size.max_tokens > ceiling:
        draft.put("max_tokens", ceiling, Why.CEILING)
    if window is None:
        return Misfit.CONTEXT
    holds_output = draft.target.can.window_holds_output is not False
    if not holds_output and _holds_all_of(draft.source, draft.target):
        return None
    unseen = any(name.startswith("document") for name in size.unbounded)
    longest = size.input_bound + (draft.max_tokens if holds_output else 0)
    return Misfit.CONTEXT if unseen or longest > window else None


def _holds_all_of(source: Rung, target: Rung) -> bool:
    """Whether every prompt that one window holds goes into the other, by each model's own tokenizer."""
    if source.facts is None or target.facts is None or not source.context_window or not target.context_window:
        return False
    before, after = source.facts.tokenizer, target.facts.tokenizer
    if before is None or after is None:
        return False
    factor = NEW_TOKENIZER_FACTOR if (before, after) == ("old", "new") else 1
    return source.context_window * factor <= target.context_window


def _content(used: Features, can: Capabilities) -> Misfit | None:
    compacts = any(edit.startswith("compact") for edit in can.context_edits or ())
    strange = used.strange_blocks - ({"compaction"} if compacts else set())
    asked: tuple[tuple[bool, bool | None, Misfit], ...] = (
        (used.system_messages, can.system_messages, Misfit.SYSTEM_MESSAGES),
        (bool(used.images), can.images, Misfit.IMAGES),
        (used.pdfs, can.pdfs, Misfit.PDFS),
        (used.citations, can.citations, Misfit.CITATIONS),
        (bool(strange), False, Misfit.CONTENT),
    )
    return next((misfit for uses, may, misfit in asked if uses and not may), None)


def _pages(draft: Draft) -> Misfit | None:
    """A smaller window takes fewer images and pages, whatever their size."""
    here, there = draft.source.context_window, draft.target.context_window or 0
    if there >= FEW_PAGES_WINDOW or (here is not None and here < FEW_PAGES_WINDOW):
        return None
    if draft.used.remote_pdfs or draft.used.images + draft.used.pdf_pages > FEW_PAGES:
        return Misfit.PDFS if draft.used.pdfs else Misfit.IMAGES
    return None


def _tools(used: Features, can: Capabilities) -> Misfit | None:
    known = can.tools or frozenset[str]()
    searches = any(tool.startswith("tool_search") for tool in known)
    if used.strange_tools or used.tools - known or (used.deferred and not searches):
        return Misfit.TOOLS
    if used.code_calls_tools and not can.code_calls_tools:
        return Misfit.TOOLS
    if any(not any(tool.startswith(family) for tool in known) for family in used.server_blocks):
        return Misfit.TOOLS
    return Misfit.STRUCTURED_OUTPUTS if used.strict and not can.structured_outputs else None


def _edits(draft: Draft) -> Misfit | None:
    """What is asked of the context window, and of the answer's shape."""
    config, managed = draft.table("output_config"), draft.table("context_management")
    if any(config[name] is not None for name in config.keys() - {"effort", "format"}) or managed.keys() - {"edits"}:
        return Misfit.PARAMETER
    if (config.get("format") or draft.now("output_format")) and not draft.target.can.structured_outputs:
        return Misfit.STRUCTURED_OUTPUTS
    asked = {_type(edit) for edit in cast("list[Any]", managed.get("edits") or [])}
    return Misfit.CONTEXT_EDITS if asked - (draft.target.can.context_edits or frozenset()) else None


def _type(edit: Any) -> str:
    return str(cast("Mapping[str, Any]", edit).get("type")) if isinstance(edit, Mapping) else ""


def _speed(draft: Draft) -> Misfit | None:
    speed, known = draft.now("speed"), shipped_betas()[FAST_MODE].models or ()
    if speed is not None and not (draft.target.fast and draft.target.name in known):
        usual = speed == "standard"
        draft.put("speed", REMOVED, Why.DEFAULT if usual else Why.UNSUPPORTED, lossy=not usual)
    return None


def _betas(draft: Draft, names: tuple[str, ...]) -> Misfit | None:
    for name in names:
        beta = shipped_betas().get(name)
        if beta is None:
            return Misfit.BETA
        if beta.models is None or draft.target.name in beta.models:
            continue
        if beta.drop is None:
            return Misfit.BETA
        lossy = beta.drop == "lossy" and beta.lossless_with not in (draft.target.can.thinking or ())
        draft.dropped_betas.append(name)
        draft.note("betas", name, None, Why.UNSUPPORTED, lossy=lossy)
    return None


def _together(draft: Draft) -> Misfit | None:
    """What goes with some forms of thinking and not with others, once that is known."""
    can = draft.target.can
    if draft.table("tool_choice").get("type") in ("any", "tool") and not can.forced_tools:
        return Misfit.TOOL_CHOICE
    if draft.used.prefill and (not can.prefill or thinks(draft)):
        return Misfit.PREFILL
    edits = cast("list[Any]", draft.table("context_management").get("edits") or [])
    clears = any(_type(edit).startswith("clear_thinking") for edit in edits)
    if clears and not thinks(draft):
        return Misfit.CONTEXT_EDITS
    display = draft.table("thinking").get("display")
    return Misfit.THINKING if display not in (None, "summarized", "omitted") else None
