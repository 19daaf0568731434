"""Claims about the list of models."""

import pytest

from bursar.agent.sandbox.models import display_name, model_list


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


def test_list() -> None:
    """One page of all models, each with its limits, state and date."""
    page = model_list()
    found = {info["id"]: info for info in page["data"]}
    assert (page["first_id"], page["last_id"], page["has_more"]) == (
        "claude-fable-5-2",
        "claude-3-haiku-20240307",
        False,
    )
    assert found["claude-sonnet-4-5-20250929"] == {
        "type": "model",
        "id": "claude-sonnet-4-5-20250929",
        "display_name": "Claude Sonnet 4.5",
        "created_at": "2025-09-29T00:00:00Z",
        "lifecycle": "deprecated",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
    assert found["claude-opus-5-5"]["created_at"] == "1970-01-01T00:00:00Z"
