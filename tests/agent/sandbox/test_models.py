"""Claims about the Models API: its shape is the SDK's own, its pages are asked for, and it says what is answered."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ModelInfo
from tests.agent.sandbox.conftest import Stage

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.models import display_name, model_info, model_page


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-opus-5-5", "Claude Opus 5.5"),
        ("claude-sonnet-5", "Claude Sonnet 5"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
        ("claude-3-7-sonnet-20250219", "Claude Sonnet 3.7"),
    ],
)
def test_display_name(model: str, name: str) -> None:
    """A name for people, without the date."""
    assert display_name(model) == name


def listed(limit: str | None = None, after: str | None = None, *lifecycle: str) -> tuple[list[str], bool]:
    """The ids of a page, and whether there are more."""
    page = model_page(limit, after, lifecycle)
    ids = [info["id"] for info in page["data"]]
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids, page["has_more"]


def test_pages() -> None:
    """Twenty at a time, or as many as asked for, each after the one before; retired models where they are wanted."""
    first, more = listed()
    assert (first[0], len(first), more) == ("claude-fable-5-2", 18, False)
    every, more = listed(None, None, "active", "deprecated", "retired")
    assert (every[:3], len(every), more) == (first[:3], 20, True)
    assert listed("3") == (first[:3], True)
    assert listed("3", first[2]) == (first[3:6], True)
    assert listed("100", first[-1]) == ([], False)
    retired = ["claude-3-7-sonnet-20250219", "claude-3-5-haiku-20241022", "claude-3-haiku-20240307"]
    assert set(retired) <= set(listed(None, None, "retired")[0])
    assert not set(retired) & set(first)


@pytest.mark.parametrize(("limit", "after"), [("0", None), ("1001", None), ("x", None), (None, "claude-nope")])
def test_a_query_that_makes_no_sense_is_refused(limit: str | None, after: str | None) -> None:
    """As the API does."""
    with pytest.raises(ApiError):
        model_page(limit, after, ())


def test_one_model() -> None:
    """By its id or an alias, with its limits, state, date and all that it accepts."""
    yes, no = {"supported": True}, {"supported": False}
    assert model_info("claude-sonnet-4-5") == {
        "type": "model",
        "id": "claude-sonnet-4-5-20250929",
        "display_name": "Claude Sonnet 4.5",
        "created_at": "2025-09-29T00:00:00Z",
        "lifecycle": "deprecated",
        "deprecated_at": None,
        "retires_at": None,
        "line": "sonnet",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": {
            "batch": yes,
            "citations": yes,
            "code_execution": yes,
            "context_management": {
                "supported": True,
                "clear_tool_uses_20250919": yes,
                "clear_thinking_20251015": yes,
                "compact_20260112": no,
            },
            "effort": {"supported": False, "low": no, "medium": no, "high": no, "xhigh": no, "max": no},
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": True, "code_execution": yes, "web_search": yes},
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {"adaptive": no, "between_tools": no, "disabled": yes, "enabled": yes},
            },
        },
    }
    assert model_info("claude-opus-5-5")["created_at"] == "1970-01-01T00:00:00Z"
    with pytest.raises(ApiError, match="model: claude-nope"):
        model_info("claude-nope")


def test_the_sdk_reads_it(stage: Stage) -> None:
    """Page by page, and one by one; nothing in it is foreign to the SDK's own type."""
    found = {model.id: model for model in stage.client.models.list(limit=7)}
    assert len(found) == 18
    one: Any = stage.client.models.retrieve("claude-haiku-5-5")
    assert one == found["claude-haiku-5-5"]
    for model in found.values():
        assert ModelInfo.model_validate(model.to_dict(), strict=False).model_extra == {}
