"""Claims about staging by headers."""

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.scene import Callboard, Mishap, Scene, read_scene


def test_no_headers_no_scene() -> None:
    """An ordinary request is played straight."""
    assert read_scene({"x-api-key": "k"}) == Scene(None, 0, 0, None, "", None, None)


def test_all_headers() -> None:
    """Each header has its place; milliseconds become seconds."""
    headers = {
        "x-sandbox-output-tokens": "500",
        "x-sandbox-latency-ms": "20",
        "x-sandbox-pace-ms": "5",
        "x-sandbox-error": "429",
        "x-sandbox-scene": "s",
        "x-sandbox-error-times": "2",
        "x-sandbox-retry-after": "0.1",
    }
    assert read_scene(headers) == Scene(500, 0.02, 0.005, Mishap.RATE_LIMIT, "s", 2, "0.1")


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("x-sandbox-output-tokens", "0", "x-sandbox-output-tokens: '0' is not a whole number of 1 or more"),
        ("x-sandbox-output-tokens", "many", "x-sandbox-output-tokens: 'many' is not a whole number of 1 or more"),
        ("x-sandbox-latency-ms", "-1", "x-sandbox-latency-ms: '-1' is not a whole number of 0 or more"),
        ("x-sandbox-latency-ms", "²", "x-sandbox-latency-ms: '²' is not a whole number of 0 or more"),
        ("x-sandbox-error", "418", "x-sandbox-error: '418' is not one of 429, 529, 500, 413, midstream, cut, hang"),
        ("x-sandbox-error-times", "2", "x-sandbox-error-times: counts the requests of one scene; name it with"),
    ],
)
def test_unreadable_headers(header: str, value: str, message: str) -> None:
    """A header that cannot be obeyed is a 400 that says what can."""
    with pytest.raises(ApiError) as caught:
        read_scene({header: value})
    assert caught.value.status == 400
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        ("429", 429, "rate_limit_error", "1"),
        ("529", 529, "overloaded_error", None),
        ("500", 500, "api_error", None),
        ("413", 413, "request_too_large", None),
    ],
)
def test_refusals(error: str, status: int, kind: str, retry_after: str | None) -> None:
    """An error by status has the API's type; only 429 says when to come back, unless told to."""
    refusal = read_scene({"x-sandbox-error": error}).refusal()
    assert refusal is not None
    assert (refusal.status, refusal.kind, refusal.retry_after) == (status, kind, retry_after)


@pytest.mark.parametrize("error", ["midstream", "cut", "hang"])
def test_mishaps_without_a_status(error: str) -> None:
    """What goes wrong later is no refusal."""
    assert read_scene({"x-sandbox-error": error}).refusal() is None


def test_times_are_counted_by_scene() -> None:
    """The first two requests of a scene fail, whatever other scenes do."""
    board = Callboard()
    twice = read_scene({"x-sandbox-error": "529", "x-sandbox-scene": "a", "x-sandbox-error-times": "2"})
    once = read_scene({"x-sandbox-error": "529", "x-sandbox-scene": "b", "x-sandbox-error-times": "1"})
    always = read_scene({"x-sandbox-error": "529"})
    never = read_scene({"x-sandbox-scene": "a"})
    assert [board.due(scene) for scene in (twice, once, twice, twice, once)] == [True, True, True, False, False]
    assert [board.due(scene) for scene in (always, always, never)] == [True, True, False]
