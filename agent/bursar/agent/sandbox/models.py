"""What does `GET /v1/models` list? The sandbox's models, newest generation first, on one page."""

import re
from typing import Any

from bursar.agent.sandbox.tables import MODELS, Model

_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # the API's own word for a release date that is not known


def model_list() -> dict[str, Any]:
    """The list page, with only the fields that the sandbox knows."""
    ids = list(MODELS)
    return {
        "data": [_info(model) for model in MODELS.values()],
        "first_id": ids[0],
        "last_id": ids[-1],
        "has_more": False,
    }


def _info(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": display_name(model.id),
        "created_at": _created_at(model.id),
        "lifecycle": model.lifecycle,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
    }


def display_name(model_id: str) -> str:
    """`claude-opus-4-5-20251101` is `Claude Opus 4.5`."""
    parts = re.sub(r"-\d{8}$", "", model_id).split("-")
    names = [part.title() for part in parts if not part.isdigit()]
    return " ".join([*names, ".".join(part for part in parts if part.isdigit())])


def _created_at(model_id: str) -> str:
    date = re.search(r"-(\d{4})(\d{2})(\d{2})$", model_id)
    return "{}-{}-{}T00:00:00Z".format(*date.groups()) if date else _UNKNOWN_DATE
