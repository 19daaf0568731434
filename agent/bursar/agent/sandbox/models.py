"""What do `GET /v1/models` and `/v1/models/{id}` tell? The sandbox's models, newest generation first."""

import re
from typing import Any

from bursar.agent.sandbox.batch_request import PageRequest
from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid
from bursar.agent.sandbox.forms import EFFORTS, FORMS, Forms
from bursar.agent.sandbox.tables import MODELS, Model, find_model

_LINES = ("fable", "mythos", "opus", "sonnet", "haiku")
_THINKING = ("adaptive", "between_tools", "disabled", "enabled")
_SERVER_TOOLS = ("web_search_20250305", "code_execution_20250825")
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # the API's own word for a release date that is not known


def model_page(asked: PageRequest) -> dict[str, Any]:
    """A page of the list, with only the fields that the sandbox knows."""
    ids = list(MODELS)
    if asked.before is not None:
        end = _place(ids, asked.before, "before_id")
        start = max(end - asked.limit, 0)
        has_more = start > 0
    else:
        start = 0 if asked.after is None else _place(ids, asked.after, "after_id") + 1
        end = start + asked.limit
        has_more = end < len(ids)
    page = ids[start:end]
    return {
        "data": [_info(MODELS[model_id]) for model_id in page],
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
        "has_more": has_more,
    }


def model_info(name: str) -> dict[str, Any]:
    """One model, by id or alias; raises the API's 404."""
    model = find_model(name)
    if model is None:
        raise ApiError(NOT_FOUND, f"model: {name}")
    return _info(model)


def _place(ids: list[str], cursor: str, where: str) -> int:
    if cursor not in MODELS:
        raise invalid(where, f"there is no model {cursor}")
    return ids.index(cursor)


def _info(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": display_name(model.id),
        "created_at": _created_at(model.id),
        "line": next(line for line in _LINES if line in model.id),
        "lifecycle": model.lifecycle,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(FORMS[model.id]),
    }


def _capabilities(forms: Forms) -> dict[str, Any]:
    """What the sandbox takes of each model, in the API's words."""
    search, code = (forms.tools.fullmatch(kind) is not None for kind in _SERVER_TOOLS)
    return {
        "batch": _if(True),
        "citations": _if(True),
        "code_execution": _if(forms.code_calls),
        "context_management": {
            **_if(True),
            "clear_thinking_20251015": _if(bool(forms.thinking - {"disabled"})),
            "clear_tool_uses_20250919": _if(True),
            "compact_20260112": _if(forms.compacts),
        },
        "effort": {**_if(bool(forms.efforts)), **{level: _if(level in forms.efforts) for level in EFFORTS}},
        "image_input": _if(True),
        "pdf_input": _if(True),
        "server_tools": {**_if(search or code), "web_search": _if(search), "code_execution": _if(code)},
        "structured_outputs": _if(forms.schemas),
        "thinking": {
            **_if(bool(forms.thinking - {"disabled"})),
            "types": {kind: _if(kind in forms.thinking) for kind in _THINKING},
        },
    }


def _if(supported: bool) -> dict[str, Any]:
    return {"supported": supported}


def display_name(model_id: str) -> str:
    """`claude-opus-4-5-20251101` is `Claude Opus 4.5`."""
    parts = re.sub(r"-\d{8}$", "", model_id).split("-")
    names = [part.title() for part in parts if not part.isdigit()]
    return " ".join([*names, ".".join(part for part in parts if part.isdigit())])


def _created_at(model_id: str) -> str:
    date = re.search(r"-(\d{4})(\d{2})(\d{2})$", model_id)
    return "{}-{}-{}T00:00:00Z".format(*date.groups()) if date else _UNKNOWN_DATE
