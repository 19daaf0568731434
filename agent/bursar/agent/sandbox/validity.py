"""Does a model take a request in this form? Refuses what the API refuses, in the API's words where they are known."""

from collections.abc import Iterator

from bursar.agent.sandbox.errors import ApiError, invalid
from bursar.agent.sandbox.fields import Json, is_list, is_object, join
from bursar.agent.sandbox.forms import BETAS, EFFORTS, FORMS, Forms
from bursar.agent.sandbox.tables import Model

LEAST_BUDGET = 1_024
FEW_PAGES = 100  # images and PDF pages of a request, where the window is smaller than a million tokens
_MANY_PAGES = 600
_WIDE = 1_000_000
EDITS = ("clear_tool_uses_20250919", "clear_thinking_20251015")
COMPACT = "compact_20260112"
_OFF = ("disabled", "between_tools")


def check_forms(body: Json, betas: str | None, model: Model, tokens: int) -> None:
    """Refuse with a 400 what this model does not take; the rest of the request is known to be well formed."""
    forms = FORMS[model.id]
    _betas(betas, model)
    _thinking(body, forms)
    _effort(body, forms)
    _sampling(body, forms)
    _turns(body, forms)
    _tools(body, forms, model)
    _pages(body, model)
    _context_edits(body, forms)
    if forms.together and tokens + body["max_tokens"] > model.context:
        raise invalid("", f"input length and `max_tokens` exceed context limit: {tokens} + {body['max_tokens']}")


def _betas(header: str | None, model: Model) -> None:
    for name in filter(None, (part.strip() for part in (header or "").split(","))):
        if name not in BETAS:
            raise invalid("anthropic-beta", f"Unexpected value(s) `{name}` for the `anthropic-beta` header.")
        models = BETAS[name]
        if models is not None and model.id not in models:
            raise invalid("anthropic-beta", f"`{name}` is not supported by {model.id}")


def _kind(body: Json) -> str | None:
    thinking = body.get("thinking")
    return thinking.get("type") if is_object(thinking) else None


def _thinks(body: Json, forms: Forms) -> bool:
    kind = _kind(body)
    return forms.thinks_unasked if kind is None else kind not in _OFF


def _thinking(body: Json, forms: Forms) -> None:
    kind = _kind(body)
    if kind is None:
        return
    if kind not in forms.thinking:
        if kind == "adaptive":
            raise ApiError("invalid_request_error", "adaptive thinking is not supported on this model")
        raise ApiError("invalid_request_error", f'"thinking.type.{kind}" is not supported for this model.')
    thinking: Json = body["thinking"]
    budget = thinking.get("budget_tokens")
    if kind == "enabled" and (not isinstance(budget, int) or budget < LEAST_BUDGET):
        raise invalid("thinking.enabled.budget_tokens", f"Input should be greater than or equal to {LEAST_BUDGET}")
    if kind != "enabled" and budget is not None:
        raise invalid(f"thinking.{kind}.budget_tokens", "Extra inputs are not permitted")
    if kind in _OFF and thinking.keys() - {"type"}:
        raise invalid(f"thinking.{kind}", "Extra inputs are not permitted")
    if thinking.get("display") not in (None, "summarized", "omitted", "updates"):
        raise invalid("thinking.display", "Input should be 'summarized' or 'omitted'")


def _effort(body: Json, forms: Forms) -> None:
    config = body.get("output_config")
    effort = config.get("effort") if is_object(config) else None
    if effort is None:
        return
    if effort not in forms.efforts:
        raise invalid("output_config.effort", "This model does not support the effort parameter at this level.")
    quiet = forms.quiet_up_to
    if _kind(body) in _OFF and quiet is not None and EFFORTS.index(effort) > EFFORTS.index(quiet):
        raise invalid("thinking", f"cannot be turned off at effort '{effort}'; lower the effort")


def _sampling(body: Json, forms: Forms) -> None:
    temperature, top_p, top_k = (body.get(name) for name in ("temperature", "top_p", "top_k"))
    both = temperature is not None and top_p is not None
    if forms.sampling != "free" and both:
        raise invalid("", "`temperature` and `top_p` cannot both be specified for this model.")
    if forms.sampling == "none" and (temperature not in (None, 1) or top_p not in (None, 0.99) or top_k is not None):
        raise invalid("temperature", "sampling parameters are not supported by this model")
    if _thinks(body, forms) and (temperature not in (None, 1) or top_k is not None):
        raise invalid("temperature", "may only be set to 1 when thinking is enabled")
    if _thinks(body, forms) and forms.sampling != "none" and top_p is not None and not 0.95 <= top_p <= 1:
        raise invalid("top_p", "must be between 0.95 and 1 when thinking is enabled")


def _turns(body: Json, forms: Forms) -> None:
    turns: list[Json] = body["messages"]
    if any(turn["role"] == "system" for turn in turns) and not forms.system_turns:
        raise invalid("messages", "role 'system' is not supported on this model")
    if turns[-1]["role"] == "assistant" and not (forms.prefill and not _thinks(body, forms)):
        raise ApiError(
            "invalid_request_error",
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    if _kind(body) == "enabled" and _in_tool_loop(turns):
        _begins_with_thinking(turns)


def _in_tool_loop(turns: list[Json]) -> bool:
    return len(turns) > 1 and any(block.get("type") == "tool_result" for block in _blocks(turns[-1]))


def _begins_with_thinking(turns: list[Json]) -> None:
    last = max(index for index, turn in enumerate(turns) if turn["role"] == "assistant")
    nothing: Json = {}
    first = next(_blocks(turns[last]), nothing)
    if first.get("type") not in ("thinking", "redacted_thinking"):
        raise invalid(
            f"messages.{last}.content.0.type",
            f"Expected `thinking` or `redacted_thinking`, but found `{first.get('type')}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
        )


def _blocks(turn: Json) -> Iterator[Json]:
    content = turn.get("content")
    return (block for block in content if is_object(block)) if is_list(content) else iter(())


def _tools(body: Json, forms: Forms, model: Model) -> None:
    tools: list[Json] = body.get("tools") or []
    for index, tool in enumerate(tools):
        kind = tool.get("type") or "custom"
        where = join("tools", index)
        if kind != "custom" and forms.tools.fullmatch(kind) is None:
            raise invalid(where, f"'{model.id}' does not support tool types: {kind}.")
        if tool.get("strict") and not forms.schemas:
            raise invalid(join(where, "strict"), "structured outputs are not supported on this model")
        if _called_by_code(kind, tool.get("allowed_callers")) and not forms.code_calls:
            raise invalid(join(where, "allowed_callers"), 'not supported by this model; set it to ["direct"]')
    config = body.get("output_config")
    if is_object(config) and config.get("format") is not None and not forms.schemas:
        raise invalid("output_config.format", "structured outputs are not supported on this model")
    choice = body.get("tool_choice")
    if is_object(choice) and choice.get("type") in ("any", "tool"):
        if not forms.forced:
            raise invalid("tool_choice", 'type "tool" and "any" are not supported for this model.')
        if _kind(body) == "enabled":
            raise invalid("tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")


def _called_by_code(kind: str, callers: object) -> bool:
    if callers is None:
        return kind.startswith(("web_search_2026", "web_fetch_2026"))
    return callers != ["direct"]


def _pages(body: Json, model: Model) -> None:
    pages = sum(_pages_of(block) for turn in body["messages"] for block in _blocks(turn))
    most = _MANY_PAGES if model.context >= _WIDE else FEW_PAGES
    if pages > most:
        raise invalid("messages", f"A maximum of {most} images and PDF pages may be provided. Found {pages}.")


def _pages_of(block: Json) -> int:
    if block.get("type") == "tool_result":
        return sum(_pages_of(inner) for inner in _blocks(block))
    source = block.get("source")
    if block.get("type") == "image":
        return 1
    if block.get("type") != "document" or not is_object(source) or source.get("type") in ("text", "content"):
        return 0
    # A page of a real PDF is far larger; as few bytes as this make a count that errs towards refusal.
    return 1 + len(str(source.get("data") or "")) * 3 // 4 // 4_000


def _context_edits(body: Json, forms: Forms) -> None:
    managed = body.get("context_management")
    edits: list[Json] = managed.get("edits") or [] if is_object(managed) else []
    for index, edit in enumerate(edits):
        kind = edit.get("type")
        where = f"context_management.edits.{index}.type"
        if kind not in EDITS and not (kind == COMPACT and forms.compacts):
            raise invalid(where, f"'{kind}' is not supported by this model")
        if kind == "clear_thinking_20251015" and not _thinks(body, forms):
            raise invalid(where, "requires `thinking` to be enabled or adaptive")
