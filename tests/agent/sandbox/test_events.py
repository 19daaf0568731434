"""Claims about the events of a stream."""

from bursar.agent.sandbox.answer import Answer, StopReason
from bursar.agent.sandbox.bill import Usage
from bursar.agent.sandbox.events import Event, failure, first_half, whole

USAGE = Usage(input=7, write_5m=0, write_1h=0, read=0, output=45, speed="standard", inference_geo="global")
TEXT = Answer("x" * 180, None, 45, StopReason.END_TURN)


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def test_order() -> None:
    """The events come in the API's order, and each says its own name."""
    events = list(whole("msg_1", "m", "toolu_1", TEXT, USAGE))
    assert names(events) == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 5,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert [event.data["type"] for event in events] == names(events)


def test_output_is_a_placeholder_until_the_end() -> None:
    """message_start says 1, message_delta the whole, and the bill what has been sent."""
    events = list(whole("msg_1", "m", "toolu_1", TEXT, USAGE))
    assert events[0].data["message"]["usage"]["output_tokens"] == 1
    assert events[-2].data["usage"]["output_tokens"] == 45
    assert [event.output_tokens for event in events] == [0, 0, 0, 10, 20, 30, 40, 45, 45, 45, 45]


def test_half() -> None:
    """Of five deltas, two come before the stream fails; the failure changes nothing of the bill."""
    events = list(first_half("msg_1", "m", "toolu_1", TEXT, USAGE))
    assert names(events)[3:] == ["content_block_delta"] * 2
    assert events[-1].output_tokens == 20
    assert failure(20, "req_1") == Event(
        "error",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
        20,
    )


def test_tool_input_is_streamed_as_json() -> None:
    """A tool call starts with an empty input, which follows in partial JSON."""
    tool = Answer('{"city":"Berlin"}', "look", 12, StopReason.TOOL_USE)
    events = list(whole("msg_1", "m", "toolu_1", tool, USAGE))
    assert events[1].data["content_block"] == {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    deltas = [event.data["delta"] for event in events if event.name == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    assert "".join(delta["partial_json"] for delta in deltas) == tool.payload


def test_encoding() -> None:
    """Server-sent events as the API writes them."""
    assert Event("ping", {"type": "ping"}, 0).encoded() == b'event: ping\ndata: {"type":"ping"}\n\n'
