"""What does `GET /v1/models` say? The sandbox's models, newest generation first, in pages as asked for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid
from bursar.agent.sandbox.forms import EFFORTS, FORMS, Forms
from bursar.agent.sandbox.tables import MODELS, Lifecycle, Model
from bursar.agent.sandbox.validity import COMPACT, EDITS

USUAL_LIMIT, MOST = 20, 1_000
_UNASKED = (Lifecycle.ACTIVE, Lifecycle.DEPRECATED)  # retired models are listed only where they are asked for
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # the API's own word for a release date that is not known
_LINES = ("haiku", "sonnet", "opus", "fable", "mythos")
_THINKING = ("adaptive", "between_tools", "disabled", "enabled")
_SERVER_TOOLS = {"code_execution": "code_execution_20250825", "web_search": "web_search_20250305"}


def model_page(limit: str | None, after: str | None, lifecycle: Sequence[str]) -> dict[str, Any]:
    """One page of the list, by the query of the request. Raises `ApiError`."""
    size = _limit(limit)
    asked = frozenset(lifecycle) or frozenset(_UNASKED)
    listed = [model for model in MODELS.values() if model.lifecycle in asked]
    ids = [model.id for model in listed]
    if after is not None and after not in ids:
        raise invalid("after_id", "No such model.")
    first = ids.index(after) + 1 if after is not None else 0
    page = listed[first : first + size]
    return {
        "data": [_info(model) for model in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": first + size < len(listed),
    }


def model_info(name: str) -> dict[str, Any]:
    """One model by its id or an alias. Raises `ApiError`."""
    model = next((model for model in MODELS.values() if name in (model.id, *model.aliases)), None)
    if model is None:
        raise ApiError(NOT_FOUND, f"model: {name}")
    return _info(model)


def _info(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": display_name(model.id),
        "created_at": _created_at(model.id),
        "lifecycle": model.lifecycle,
        "deprecated_at": None,
        "retires_at": None,
        "line": next((line for line in _LINES if line in model.id), None),
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(FORMS[model.id]),
    }


def _capabilities(forms: Forms) -> dict[str, Any]:
    tools = {name: forms.tools.fullmatch(tool) is not None for name, tool in _SERVER_TOOLS.items()}
    thinks = forms.thinking != frozenset({"disabled"})
    edits = dict.fromkeys(EDITS, True) | {COMPACT: forms.compacts}
    return {
        "batch": _support(True),
        "citations": _support(True),
        "code_execution": _support(forms.code_calls),
        "context_management": _supports(True, edits),
        "effort": _supports(bool(forms.efforts), {level: level in forms.efforts for level in EFFORTS}),
        "image_input": _support(True),
        "pdf_input": _support(True),
        "server_tools": _supports(any(tools.values()), tools),
        "structured_outputs": _support(forms.schemas),
        "thinking": {
            "supported": thinks,
            "types": {kind: _support(kind in forms.thinking) for kind in _THINKING},
        },
    }


def _support(supported: bool) -> dict[str, Any]:
    return {"supported": supported}


def _supports(supported: bool, each: Mapping[str, bool]) -> dict[str, Any]:
    return {"supported": supported, **{name: _support(yes) for name, yes in each.items()}}


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise invalid("limit", f"Input should be from 1 to {MOST}")
    return int(text)


def display_name(model_id: str) -> str:
    """`claude-opus-4-5-20251101` is `Claude Opus 4.5`."""
    parts = re.sub(r"-\d{8}$", "", model_id).split("-")
    names = [part.title() for part in parts if not part.isdigit()]
    return " ".join([*names, ".".join(part for part in parts if part.isdigit())])


def _created_at(model_id: str) -> str:
    date = re.search(r"-(\d{4})(\d{2})(\d{2})$", model_id)
    return "{}-{}-{}T00:00:00Z".format(*date.groups()) if date else _UNKNOWN_DATE
