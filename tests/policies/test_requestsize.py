"""The size of a request is a bound that real traffic never exceeds, whatever the request is made of."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.policies.requestsize import RequestSize, counted, measure

TRAFFIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded.jsonl.xz"

SIZE = RequestSize(
    text_bytes=900,
    fixed_tokens=100,
    max_tokens=500,
    marks=0,
    hour_marks=False,
    turns=0,
    searches=0,
    unbounded=(),
)


def body(*content: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": list(content)}], **more}


EMPTY = measure(body())


def beyond_empty(*content: Any, **more: Any) -> tuple[int, int, tuple[str, ...]]:
    """What content adds: bytes, fixed tokens, unbounded names."""
    size = measure(body(*content, **more))
    return size.text_bytes - EMPTY.text_bytes, size.fixed_tokens - EMPTY.fixed_tokens, size.unbounded


@pytest.mark.skipif(not TRAFFIC.exists(), reason=f"the recorded traffic is not at {TRAFFIC}")
def test_no_recorded_call_exceeds_its_bound() -> None:
    """
    Of 680 recorded calls with usage 593 are bounded, every one of them truly, and 87 are named unbounded.

    Fifty-one of those went above the bytes bound: they have server tools, or sources that the request does not hold.
    """
    bounded: list[tuple[int, int]] = []
    unbounded: list[tuple[int, int]] = []
    for request, usage in recorded():
        size = measure(request)
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        real = sum(usage.get(name) or 0 for name in names)
        (unbounded if size.unbounded else bounded).append((real, size.input_bound))
    assert (len(bounded), sum(real > most for real, most in bounded)) == (593, 0)
    assert (len(unbounded), sum(real > most for real, most in unbounded)) == (87, 51)
    shares = sorted(real / most for real, most in bounded)
    assert 0.2 < shares[len(shares) // 2] < 0.3  # loose on text by four times: said, not hidden


def recorded() -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    with lzma.open(TRAFFIC, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        (row["request"], row["usage"])
        for row in rows
        if row["category"] in ("messages", "messages_stream")
        and row["request"]
        and row["usage"]
        and row["status"] == 200
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [("abc", 3), ("é", 2), ("日本", 6), ("\ud800", 3), ("", 0)],
)
def test_text_counts_its_utf8_bytes(text: str, size: int) -> None:
    """Half a surrogate pair, which a careless string may hold, included."""
    short, long = measure({"system": ""}), measure({"system": text})
    assert long.text_bytes - short.text_bytes == size


@pytest.mark.parametrize(("value", "size"), [(1, 1), (-12.25, 6), (10**20, 21), (True, 4), (None, 0)])
def test_numbers_count_as_they_are_written(value: Any, size: int) -> None:
    """In schemas and in the input of tools."""
    with_value = measure({"system": [value]})
    assert with_value.text_bytes - measure({"system": []}).text_bytes == size + 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", exclude_categories=["C"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
        max_leaves=30,
    ).filter(lambda value: value is not None)
)
def test_a_structure_counts_no_less_than_its_compact_json(value: Any) -> None:
    """Bytes of JSON less escapes, and less the brackets of lists, which 64 tokens of frame make up for."""
    text = json.dumps(value, separators=(",", ":"))
    escapes = text.count("\\")
    nulls = 4 * text.count("null")
    lists = 2 * text.count("[")
    assert measure({"system": value}).text_bytes + 2 >= len(text) - escapes - nulls - lists


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"system": "Be brief."},
        {"system": "é"},
        {"messages": [{"role": "user", "content": "né"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bc"}], "max_tokens": "x"},
        {"messages": [{"role": "user", "content": "a", "name": "n"}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"messages": [{"role": "user", "content": ["a"]}]},
        {"messages": ({"role": "user", "content": "a"},)},
    ],
)
def test_a_plain_request_is_measured_as_any_other(plain: dict[str, Any]) -> None:
    """The quick way for plain texts finds what the walk over all of it does: `tools` that are none ask for that."""
    assert measure({**body("a"), **plain}) == measure({**body("a"), **plain, "tools": []})


def test_frames_are_counted_even_for_an_empty_request() -> None:
    """64 tokens of roles and separators; nothing else is known."""
    assert measure({}) == RequestSize(0, 64, 0, 0, False, 0, 0, ())
    assert measure({}).input_bound == 64


BASE64 = {"type": "base64", "media_type": "x", "data": "A" * 8_000}


@pytest.mark.parametrize(
    ("block", "tokens", "unbounded"),
    [
        ({"type": "image", "source": BASE64}, 5_000, ()),
        ({"type": "image", "source": {"type": "url", "url": "https://example.com/i.png"}}, 5_000, ()),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, 5_000, ()),
        ({"type": "document", "source": BASE64}, 5_000 * (1 + 3), ()),
        ({"type": "document", "source": {**BASE64, "data": "A" * 2_664}}, 5_000, ()),
        ({"type": "document", "source": {"type": "url", "url": "u"}}, 0, ("document by url",)),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, 0, ("document by file",)),
        ({"type": "container_upload", "file_id": "f"}, 0, ("container_upload",)),
    ],
)
def test_images_and_documents_count_by_piece_and_page(
    block: dict[str, Any], tokens: int, unbounded: tuple[str, ...]
) -> None:
    """5,000 tokens an image and a page of 2,000 bytes; their data is no text; what lies elsewhere is unbounded."""
    size, fixed, names = beyond_empty(block)
    assert (fixed, names) == (tokens, unbounded)
    assert size < 200


def test_a_document_of_text_counts_its_text() -> None:
    """As plain text, and as content blocks with an image among them."""
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 1_000}}
    size, tokens, names = beyond_empty(plain)
    assert 1_000 <= size < 1_100
    assert (tokens, names) == (0, ())
    blocks = [{"type": "text", "text": "x" * 1_000}, {"type": "image", "source": BASE64}]
    size, tokens, names = beyond_empty({"type": "document", "source": {"type": "content", "content": blocks}})
    assert 1_000 <= size < 1_200
    assert (tokens, names) == (5_000, ())


def test_cited_documents_count_double_and_with_their_instructions() -> None:
    """Each sentence is marked, and instructions come with it."""
    source = {"type": "text", "media_type": "text/plain", "data": "x" * 1_000}
    plain, _, _ = beyond_empty({"type": "document", "source": source})
    off, tokens, _ = beyond_empty({"type": "document", "source": source, "citations": {"enabled": False}})
    assert (off - plain < 60, tokens) == (True, 0)
    cited, tokens, _ = beyond_empty({"type": "document", "source": source, "citations": {"enabled": True}})
    assert 1_000 <= cited - plain < 1_060
    assert tokens == 1_000


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_a_schema_of_the_answer_is_part_of_the_prompt(name: str) -> None:
    """It counts as the messages do, and 300 tokens of frame."""
    size, tokens, _ = beyond_empty(**{name: {"schema": {"description": "x" * 500}}})
    assert 500 <= size < 600
    assert tokens == 300


@pytest.mark.parametrize(
    ("tool", "tokens", "unbounded"),
    [
        ({"name": "mine", "input_schema": {"type": "object"}}, 1_000, ()),
        ({"type": "custom", "name": "mine"}, 1_000, ()),
        ({"type": "bash_20250124", "name": "bash"}, 2_000, ()),
        ({"type": "text_editor_20250728", "name": "e"}, 2_000, ()),
        ({"type": "computer_20250124", "name": "c"}, 2_000, ()),
        ({"type": "memory_20250818", "name": "m"}, 2_000, ()),
        ({"name": "mine", "allowed_callers": ["direct"]}, 1_000, ()),
        ({"name": "mine", "allowed_callers": ["code_execution_20260120"]}, 1_000, ("allowed_callers",)),
        ({"type": "web_fetch_20250910", "name": "f"}, 1_000, ("web_fetch_20250910",)),
        ({"type": "code_execution_20250522", "name": "x"}, 1_000, ("code_execution_20250522",)),
        ({"type": "tool_search_tool_regex_20251119", "name": "s"}, 1_000, ("tool_search_tool_regex_20251119",)),
        ({"type": "mcp_toolset", "mcp_server_name": "s"}, 1_000, ("mcp_toolset",)),
        ({"type": "advisor_20260301", "name": "a"}, 1_000, ("advisor_20260301",)),
        ({"type": "web_search_20250305", "name": "w", "max_uses": 3}, 1_000, ("web_search_20250305",)),
    ],
)
def test_tools_of_the_application_are_bounded_and_the_server_s_are_not(
    tool: dict[str, Any], tokens: int, unbounded: tuple[str, ...]
) -> None:
    """A server tool brings input that no request bounds, with `max_uses` too."""
    _, fixed, names = beyond_empty(tools=[tool])
    assert (fixed, names) == (tokens, unbounded)


@pytest.mark.parametrize("name", ["mcp_servers", "container", "context_management", "fallbacks"])
def test_what_the_server_does_by_itself_is_unbounded(name: str) -> None:
    """Named in the decision; an empty one does nothing."""
    assert measure(body(**{name: ["x"]})).unbounded == (name,)
    assert measure(body(**{name: []})).unbounded == ()


def test_allowed_searches_are_counted() -> None:
    """Over all tools; without `max_uses` there is no number to count."""
    search = {"type": "web_search_20250305", "name": "w"}
    fetch = {"type": "web_fetch_20250910", "name": "f", "max_uses": 5}
    tools = [{**search, "max_uses": 3}, {**search, "max_uses": 2}, search, fetch]
    assert measure(body(tools=tools)).searches == 5


MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("request_", "marks", "hour"),
    [
        (body({"type": "text", "text": "x"}), 0, False),
        (body({"type": "text", "text": "x", **MARK}), 1, False),
        (body({"type": "text", "text": "x", **HOUR}, {"type": "text", "text": "y", **MARK}), 2, True),
        (body({"type": "text", "text": "x", "cache_control": None}), 0, False),
        (body(**MARK), 1, False),
        (body(**HOUR), 1, True),
        (body(tools=[{"name": "t", **MARK}], system=[{"type": "text", "text": "s", **HOUR}]), 2, True),
        (body({"type": "tool_result", "content": [{"type": "text", "text": "x", **MARK}]}), 1, False),
    ],
)
def test_cache_marks_are_found_wherever_they_stand(request_: dict[str, Any], marks: int, hour: bool) -> None:
    """In tools, system, messages, inside results, and the automatic one at the top."""
    size = measure(request_)
    assert (size.marks, size.hour_marks) == (marks, hour)


def test_a_conversation_s_turns_are_its_answers_so_far() -> None:
    """Zero at the start."""
    assert EMPTY.turns == 0
    roles = ["user", "assistant", "user", "assistant", "user"]
    assert measure({"messages": [{"role": role, "content": "x"} for role in roles]}).turns == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        {"messages": 5, "tools": "x", "max_tokens": "many"},
        {"messages": [None, 5, "x"]},
        {"tools": {"a": 1}, "system": 3},
    ],
)
def test_nonsense_is_measured_without_complaint(nonsense: dict[str, Any]) -> None:
    """The API will refuse it, in its own words."""
    size = measure(nonsense)
    assert (size.max_tokens, size.turns, size.searches) == (0, 0, 0)


def test_a_count_takes_the_place_of_the_bytes() -> None:
    """With a hundredth and a frame on top, and never above the bytes."""
    assert (counted(SIZE, 200).input_bound, counted(SIZE, 990).input_bound) == (266, 1_000)
