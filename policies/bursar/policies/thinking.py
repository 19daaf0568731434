"""How are thinking, effort and sampling asked of a model that takes them in another form, or not at all?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.policies.capabilities import EFFORTS
from bursar.policies.changes import REMOVED, Why
from bursar.policies.draft import Draft
from bursar.policies.rungs import Misfit

LEAST_BUDGET = 1_024
"""Tokens of thinking that a budget must allow; as many are kept for the answer."""

_ON, _OFF = ("adaptive", "enabled"), ("disabled", "between_tools")
_CARRIED = ("display", "block_binding")
"""What stands beside either form of thinking."""


def thinks(draft: Draft) -> bool:
    """Whether the target would think."""
    kind = draft.table("thinking").get("type")
    return kind in _ON if kind is not None else draft.target.can.unset in ("on", "always")


def plan_thinking(draft: Draft) -> Misfit | None:
    """Thinking goes on where it was on, and stays off where it was off, whatever each model calls it."""
    given, can = draft.table("thinking"), draft.target.can
    kind = given.get("type")
    if kind is None:
        before = draft.source.can.unset
        if before is None or can.unset is None or (before == "off") == (can.unset == "off"):
            return None
        if before == "off":
            return _off(draft)
        _on_unasked(draft)
        return None
    if can.thinking is None or kind not in (*_ON, *_OFF):
        return Misfit.THINKING
    if kind in can.thinking:
        return _within(draft, given) if kind == "enabled" else None
    return _off(draft) if kind in _OFF else _on(draft, given)


def plan_effort(draft: Draft) -> Misfit | None:
    """The level asked for, or the next below that the model has; at most what it allows with thinking off."""
    can, given = draft.target.can, draft.table("output_config").get("effort")
    level = given if given is not None else can.effort_unset
    if given is not None:
        if can.effort is None or given not in EFFORTS:
            return Misfit.EFFORT
        if not can.effort:
            put_effort(draft, None, Why.DEFAULT if given == "high" else Why.UNSUPPORTED, lossy=given != "high")
            return None
        level = _at_most(given, can.effort)
    if can.still is not None and level is not None and draft.table("thinking").get("type") in _OFF:
        level = _at_most(min(level, can.still, key=EFFORTS.index), can.effort or ())
    if level is None and given is not None:
        return Misfit.EFFORT
    if given is not None and level != given:
        put_effort(draft, level, Why.LEVEL, lossy=True)
    return None


def plan_sampling(draft: Draft) -> Misfit | None:
    """What the model does not let anybody choose is left out."""
    given = {name: draft.now(name) for name in ("temperature", "top_p", "top_k") if draft.now(name) is not None}
    kind = draft.target.can.sampling
    if not given:
        return None
    if kind is None:
        return Misfit.SAMPLING
    for name, chosen in given.items():
        if kind == "default":
            usual = _DEFAULTS.get(name) == chosen
            draft.put(name, REMOVED, Why.DEFAULT if usual else Why.UNSUPPORTED, lossy=not usual)
        elif thinks(draft) and not _beside_thinking(name, chosen):
            draft.put(name, REMOVED, Why.UNSUPPORTED, lossy=True)
    if kind == "either" and draft.now("temperature") is not None and draft.now("top_p") is not None:
        draft.put("top_p", REMOVED, Why.UNSUPPORTED, lossy=True)
    return None


def plan_history(draft: Draft) -> Misfit | None:
    """What earlier turns thought is lost to a model that does not read it; the API leaves it out, without an error."""
    if not draft.used.thought or draft.source.name in (draft.target.name, *draft.target.can.reads):
        return None
    if draft.used.in_tool_loop and draft.table("thinking").get("type") == "enabled":
        return Misfit.THINKING_HISTORY  # a turn with a budget is to begin with its thinking, which would be gone
    draft.note("messages.thinking", "read", "left out", Why.UNREADABLE, lossy=True)
    return None


def put_effort(draft: Draft, level: str | None, why: Why, *, lossy: bool) -> None:
    """Another level of effort, or none; what stands beside it in `output_config` stays."""
    config = dict(draft.table("output_config"))
    before = config.pop("effort", None)
    if level is not None:
        config["effort"] = level
    draft.note("output_config.effort", before, level, why, lossy=lossy)
    draft.changes["output_config"] = config or REMOVED


_DEFAULTS = {"temperature": 1, "top_p": 0.99}


def _on(draft: Draft, given: Mapping[str, Any]) -> Misfit | None:
    can = draft.target.can
    if can.thinking is None:
        return Misfit.THINKING
    carried = {name: given[name] for name in _CARRIED if given.get(name) is not None}
    budget = _budget(draft)
    if "adaptive" in can.thinking:
        draft.put("thinking", {"type": "adaptive", **carried}, Why.FORM)
    elif "enabled" in can.thinking and budget is not None:
        draft.put("thinking", {"type": "enabled", "budget_tokens": budget, **carried}, Why.FORM)
    else:
        draft.put("thinking", REMOVED, Why.UNSUPPORTED, lossy=True)
    return None


def _on_unasked(draft: Draft) -> None:
    """Nobody asked for thinking, and the other model does it unasked: asked for where it takes no budget to ask."""
    if "adaptive" in (draft.target.can.thinking or ()):
        draft.put("thinking", {"type": "adaptive"}, Why.FORM)
    else:
        draft.note("thinking", "on", "off", Why.DEFAULT)


def _budget(draft: Draft) -> int | None:
    """Half of the output, for a model that thinks by a budget only; None where none goes with the request."""
    choice = draft.table("tool_choice").get("type")
    if draft.used.in_tool_loop or draft.used.prefill or choice in ("any", "tool"):
        return None
    return draft.max_tokens // 2 if draft.max_tokens >= 2 * LEAST_BUDGET else None


def _off(draft: Draft) -> Misfit | None:
    can, explicit = draft.target.can, draft.now("thinking") is not None
    form = next((form for form in _OFF if form in (can.thinking or ())), None)
    if can.thinking is None:
        return Misfit.THINKING
    if can.unset == "off":
        draft.put("thinking", REMOVED, Why.DEFAULT)
    elif form is not None:
        draft.put("thinking", {"type": form}, Why.FORM)
    elif explicit:
        draft.put("thinking", REMOVED, Why.UNSUPPORTED, lossy=True)
    else:
        draft.note("thinking", "off", "on", Why.UNSUPPORTED, lossy=True)
    return None


def _within(draft: Draft, given: Mapping[str, Any]) -> Misfit | None:
    """A budget stays below the output; no answer is squeezed out by it."""
    budget, output = given.get("budget_tokens"), draft.max_tokens
    if not isinstance(budget, int) or budget < output:
        return None
    if output < 2 * LEAST_BUDGET:
        return Misfit.MAX_TOKENS
    draft.put("thinking", {**given, "budget_tokens": output - LEAST_BUDGET}, Why.LEVEL, lossy=True)
    return None


def _at_most(level: str, levels: tuple[str, ...]) -> str | None:
    """The strongest of some levels that is not above one."""
    return next((each for each in reversed(levels) if EFFORTS.index(each) <= EFFORTS.index(level)), None)


def _beside_thinking(name: str, chosen: Any) -> bool:
    """Whether a value of a sampling parameter is accepted while a model thinks."""
    if name == "top_p":
        return isinstance(chosen, int | float) and 0.95 <= chosen <= 1
    return name == "temperature" and chosen == 1
