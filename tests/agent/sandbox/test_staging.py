"""Claims about scenes of the whole sandbox."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.staging import CREATE, Staging

LIST = "messages.batches.list"


def staged(*scenes: dict[str, Any]) -> Staging:
    staging = Staging()
    for scene in scenes:
        staging.put(scene)
    return staging


def test_whose_word_counts() -> None:
    """A request's own, else its method's, else everything's; other headers are none."""
    staging = staged({"output-tokens": 1, "latency-ms": 1, "pace-ms": "1"}, {"on": LIST, "x-sandbox-latency-ms": 2})
    own = {"x-sandbox-pace-ms": "3", "x-api-key": "k"}
    words = {"x-sandbox-output-tokens": "1", "x-sandbox-latency-ms": "2", "x-sandbox-pace-ms": "3"}
    assert staging.words(LIST, own) == words
    assert staging.words(CREATE, {})["x-sandbox-latency-ms"] == "1"


def test_one_says_all_of_what_goes_wrong() -> None:
    """Or else a 529 of one would be told as often as a 429 of the other."""
    staging = staged({"error": "429", "error-times": 2, "retry-after": "0"}, {"on": LIST, "latency-ms": 5})
    assert staging.words(LIST, {"x-sandbox-error": "529"}) == {
        "x-sandbox-error": "529",
        "x-sandbox-latency-ms": "5",
    }
    assert staging.words(LIST, {}) == {
        "x-sandbox-error": "429",
        "x-sandbox-error-times": "2",
        "x-sandbox-retry-after": "0",
        "x-sandbox-scene": "* 1",
        "x-sandbox-latency-ms": "5",
    }


def test_a_new_scene_counts_anew() -> None:
    """Its name is another, unless it has one of its own; nothing staged is nothing told."""
    staging = staged({"on": LIST, "error": "cut"}, {"on": LIST, "error": "cut"})
    assert staging.told() == {LIST: {"x-sandbox-error": "cut", "x-sandbox-scene": f"{LIST} 2"}}
    staging.put({"on": LIST, "error": "cut", "scene": "s"})
    assert staging.words(LIST, {})["x-sandbox-scene"] == "s"
    staging.put({"on": LIST})
    assert staging.told() == {}


def test_clear() -> None:
    """All of it."""
    staging = staged({"latency-ms": 5}, {"on": LIST, "latency-ms": 5})
    staging.clear()
    assert (staging.told(), staging.words(LIST, {})) == ({}, {})


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        ({"on": "batches"}, "on: 'batches' is not one of *, messages.create, messages.batches.create,"),
        ({"errors": "429"}, "x-sandbox-errors: not known; a scene may say error, error-times,"),
        ({"error": 418}, "x-sandbox-error: '418' is not one of"),
        ({"batch-ms": "soon"}, "x-sandbox-batch-ms: 'soon' is not a whole number"),
    ],
)
def test_mistakes(scene: dict[str, Any], message: str) -> None:
    """Are told when the scene is put, and it is not staged."""
    staging = Staging()
    with pytest.raises(ApiError) as caught:
        staging.put(scene)
    assert caught.value.message.startswith(message)
    assert staging.told() == {}
